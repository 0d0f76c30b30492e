-- Metrics by severity, city and county: the rows of stream 2, counted in windows of one second, so that there is one
-- datum for each second and place and not one PutMetricData for each record.
CREATE TABLE severe_accidents (
    Severity BIGINT,
    City STRING,
    County STRING,
    Txn_Timestamp TIMESTAMP(3),
    WATERMARK FOR Txn_Timestamp AS Txn_Timestamp - INTERVAL '1' SECOND
) WITH (
    'connector' = 'kinesis',
    'stream' = 'us-accidents-data-stream-2',
    'aws.region' = 'us-east-1',
    'scan.stream.initpos' = 'LATEST',
    'format' = 'json',
    'json.timestamp-format.standard' = 'ISO-8601'
);

CREATE TABLE accident_metrics (
    window_second TIMESTAMP(3),
    severity STRING,
    city STRING,
    county STRING,
    us_accidents_severity_high BIGINT
) WITH (
    'connector' = 'cloudwatch',
    'namespace' = 'accidents_reports_namespace',
    'dimension-sets' = 'severity;city;county;severity,city,county',
    'timestamp-column' = 'window_second',
    'unit' = 'Count',
    'storage-resolution' = '1',
    'aws.region' = 'us-east-1'
);

INSERT INTO accident_metrics
SELECT window_start, CAST(Severity AS STRING), City, County, COUNT(*)
FROM TABLE(TUMBLE(TABLE severe_accidents, DESCRIPTOR(Txn_Timestamp), INTERVAL '1' SECOND))
GROUP BY window_start, window_end, Severity, City, County;
