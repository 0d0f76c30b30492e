-- Every record of stream 1 as it was put, byte for byte, into objects of S3: their contents one behind the other are
-- the stream's, nothing is added. An object is closed after 64 MB or 2 s.
CREATE TABLE raw_accidents (
    line BYTES
) WITH (
    'connector' = 'kinesis',
    'stream' = 'us-accidents-data-stream-1',
    'aws.region' = 'us-east-1',
    'scan.stream.initpos' = 'LATEST',
    'format' = 'raw'
);

CREATE TABLE raw_archive (
    line BYTES
) WITH (
    'connector' = 'filesystem',
    'path' = 's3://us-accidents-archive-us_east_1-dev/stream-1/',
    'format' = 'raw',
    'sink.rolling-policy.file-size' = '64MB',
    'sink.rolling-policy.rollover-interval' = '2 s'
);

INSERT INTO raw_archive SELECT line FROM raw_accidents;
