"""The sns sink: messages of a topic reach its subscribers, with a subject from the row."""

import json

from conftest import make_client
from connect_test import done, job_of, source
from founding_test import sql, wait_until
import urllib.request

COLUMNS = "severity INT, city STRING"


def test_rows_become_mails(leat):
    kinesis, sns = make_client(leat, "kinesis", "sns-sink"), make_client(leat, "sns")
    kinesis.create_stream(StreamName="in", ShardCount=1)
    arn = sns.create_topic(Name="alerts")["TopicArn"]
    done(sql(leat, source("s_in", "in", "sns-sink", COLUMNS)
             + f"CREATE TABLE s_out ({COLUMNS}) WITH ('connector' = 'sns', 'topic-arn' = '{arn}', "
             + "'subject' = 'Severity {severity} in {city}');\n"
             + "INSERT INTO s_out SELECT * FROM s_in WHERE severity >= 4;"))
    kinesis.put_records(StreamName="in", Records=[
        {"PartitionKey": "k", "Data": json.dumps({"severity": i % 5, "city": f"Zürich {i}"})} for i in range(100)])
    sink = lambda: job_of(leat, "insert-into_s_out")["sinks"][0]
    wait_until(lambda: sink()["delivered_rows"] == 20)
    assert sink()["target"] == arn and sink()["kind"] == "sns" and sink()["rejected_rows"] == 0


def test_a_missing_topic_is_told_and_waited_for(leat):
    kinesis, sns = make_client(leat, "kinesis", "sns-later"), make_client(leat, "sns")
    kinesis.create_stream(StreamName="in", ShardCount=1)
    arn = "arn:aws:sns:us-east-1:000000000000:made-later"
    done(sql(leat, source("l_in", "in", "sns-later", COLUMNS)
             + f"CREATE TABLE l_out ({COLUMNS}) WITH ('connector' = 'sns', 'topic-arn' = '{arn}');\n"
             + "INSERT INTO l_out SELECT * FROM l_in;"))
    kinesis.put_record(StreamName="in", PartitionKey="k", Data=b'{"severity": 4}')
    sink = lambda: job_of(leat, "insert-into_l_out")["sinks"][0]
    wait_until(lambda: "NotFound" in sink()["problem"])
    assert sns.create_topic(Name="made-later")["TopicArn"] == arn
    wait_until(lambda: sink()["delivered_rows"] == 1)
    wait_until(lambda: sink()["problem"] == "")


def test_errors(leat):
    make_client(leat, "kinesis", "sns-errors").create_stream(StreamName="in", ShardCount=1)
    for number, (options, wanted) in enumerate([
        ("'topic-arn' = 'alerts'", "arn:aws:sns:us-east-1"),
        ("'topic-arn' = 'arn:aws:sns:us-east-1:000000000000:t', 'subject' = '{town}'", "lacks: town"),
        ("'topic-arn' = 'arn:aws:sns:us-east-1:000000000000:t', 'message-column' = 'severity'", "text column"),
    ]):
        answer = sql(leat, source(f"se{number}_in", "in", "sns-errors", COLUMNS)
                     + f"CREATE TABLE se{number} ({COLUMNS}) WITH ('connector' = 'sns', {options});\n"
                     + f"INSERT INTO se{number} SELECT * FROM se{number}_in;")
        assert wanted in json.dumps(answer[-1])
