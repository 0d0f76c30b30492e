-- A mail for each accident of severity 4, the highest that there is: the subscribers of the topic get the row.
CREATE TABLE accident_alerts (
    ID STRING,
    Severity BIGINT,
    City STRING,
    County STRING,
    Txn_Timestamp TIMESTAMP(3)
) WITH (
    'connector' = 'sns',
    'topic-arn' = 'arn:aws:sns:us-east-1:000000000000:us-accidents-sns-topic-1',
    'subject' = 'Alert with Severity {Severity} in {City}!',
    'aws.region' = 'us-east-1'
);

CREATE TABLE alert_source (
    ID STRING,
    Severity BIGINT,
    City STRING,
    County STRING,
    Txn_Timestamp TIMESTAMP(3)
) WITH (
    'connector' = 'kinesis',
    'stream' = 'us-accidents-data-stream-2',
    'aws.region' = 'us-east-1',
    'scan.stream.initpos' = 'LATEST',
    'format' = 'json',
    'json.timestamp-format.standard' = 'ISO-8601'
);

INSERT INTO accident_alerts SELECT ID, Severity, City, County, Txn_Timestamp FROM alert_source WHERE Severity >= 4;
