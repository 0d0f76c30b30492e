"""SNS: topics, subscriptions by mail, publishing, the inbox, and delivery over real SMTP."""

import base64
import email
import email.policy
import json
import os
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
import uuid

import pytest
from botocore.exceptions import ClientError

import leat_server
import model_check
from conftest import make_client
from smtp_server import SmtpServer

REGION = "eu-west-1"


@pytest.fixture(scope="module")
def sns(leat):
    client = make_client(leat, "sns", REGION)
    client.seen = model_check.watch(client)
    return client


@pytest.fixture
def topic(sns):
    return sns.create_topic(Name=f"t-{uuid.uuid4().hex[:10]}")["TopicArn"]


@pytest.fixture
def smtp():
    server = SmtpServer()
    yield server
    server.stop()


@pytest.fixture
def mailing(smtp, tmp_path):
    """A leat of its own that sends through `smtp`."""
    server = leat_server.Server(data=str(tmp_path / "data"))
    server.environment = {"LEAT_SMTP_URL": f"smtp://127.0.0.1:{smtp.port}"}
    server.start()
    yield server
    server.stop()


def get(server, path):
    with urllib.request.urlopen(server.endpoint + path, timeout=10) as answer:
        return json.load(answer)


def inbox(server, topic=None, **query):
    text = "&".join(f"{k}={v}" for k, v in {"limit": 500, **query}.items())
    mails = get(server, f"/_aws/sns/inbox?{text}")["messages"]
    return [m for m in mails if topic is None or m["topic_arn"] == topic]


def fails(call, code, part, status=400):
    with pytest.raises(ClientError) as error:
        call()
    assert error.value.response["Error"]["Code"] == code
    assert part in error.value.response["Error"]["Message"]
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def wait_until(condition, seconds=15):
    end = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
    return result


def subscribed(server, client, topic, address="ops@example.com", protocol="email-json"):
    """A confirmed subscription's ARN, by the link in the mail."""
    client.subscribe(TopicArn=topic, Protocol=protocol, Endpoint=address)
    mail = next(m for m in inbox(server, topic) if m["to"] == address)
    link = re.search(r"http://\S+Action=ConfirmSubscription[^\s\"]+", mail["body"]).group(0)
    with urllib.request.urlopen(link, timeout=10) as answer:
        return re.search("<SubscriptionArn>(.+)</SubscriptionArn>", answer.read().decode()).group(1)


# --- topics ----------------------------------------------------------------------------------------


def test_topics(sns):
    name = f"us-accidents-sns-topic-{uuid.uuid4().hex[:6]}"
    arn = sns.create_topic(Name=name)["TopicArn"]
    assert arn == f"arn:aws:sns:{REGION}:000000000000:{name}"
    assert sns.create_topic(Name=name)["TopicArn"] == arn
    assert arn in [t["TopicArn"] for p in sns.get_paginator("list_topics").paginate() for t in p["Topics"]]
    attributes = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    assert attributes["TopicArn"] == arn and attributes["SubscriptionsConfirmed"] == "0"
    sns.set_topic_attributes(TopicArn=arn, AttributeName="DisplayName", AttributeValue="Unfälle")
    assert sns.get_topic_attributes(TopicArn=arn)["Attributes"]["DisplayName"] == "Unfälle"
    sns.delete_topic(TopicArn=arn)
    sns.delete_topic(TopicArn=arn)
    fails(lambda: sns.get_topic_attributes(TopicArn=arn), "NotFound", "Topic does not exist", 404)


def test_topic_pages(leat):
    client = make_client(leat, "sns", "pages-1")
    names = {f"p{i:03}" for i in range(205)}
    for name in names:
        client.create_topic(Name=name)
    pages = list(client.get_paginator("list_topics").paginate())
    assert [len(p["Topics"]) for p in pages] == [100, 100, 5]
    assert {t["TopicArn"].split(":")[-1] for p in pages for t in p["Topics"]} == names


def test_bad_topics(sns, topic):
    name = topic.split(":")[-1]
    for bad in ("a b", "é", "x" * 257, "a/b"):
        fails(lambda: sns.create_topic(Name=bad), "InvalidParameter", "Topic Name")
    sns.delete_topic(TopicArn=sns.create_topic(Name="x" * 256)["TopicArn"])
    fails(lambda: sns.create_topic(Name="a.fifo", Attributes={"FifoTopic": "true"}), "InvalidParameter", "FIFO")
    fails(lambda: sns.create_topic(Name="a", Attributes={"KmsMasterKeyId": "k"}), "InvalidParameter", "KmsMasterKeyId")
    fails(lambda: sns.create_topic(Name=name, Attributes={"DisplayName": "x"}), "InvalidParameter",
          "Topic already exists with different attributes")
    fails(lambda: sns.create_topic(Name=name, Tags=[{"Key": "a", "Value": "b"}]), "InvalidParameter",
          "Topic already exists with different tags")
    fails(lambda: sns.set_topic_attributes(TopicArn=topic, AttributeName="DisplayName", AttributeValue="a\r\nBcc: b"),
          "InvalidParameter", "DisplayName")
    sns.set_topic_attributes(TopicArn=topic, AttributeName="DisplayName", AttributeValue="é" * 100)
    fails(lambda: sns.set_topic_attributes(TopicArn=topic, AttributeName="DisplayName", AttributeValue="é" * 101),
          "InvalidParameter", "DisplayName")
    fails(lambda: sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue="{}"),
          "InvalidParameter", "Policy")
    fails(lambda: sns.get_topic_attributes(TopicArn="x"), "InvalidParameter", "at least 6 elements, not 1")
    fails(lambda: sns.get_topic_attributes(TopicArn="arn:aws:sqs:eu-west-1:000000000000:x"), "InvalidParameter", "TopicArn")
    fails(lambda: sns.get_topic_attributes(TopicArn="arn:aws:sns:us-east-1:000000000000:x"), "InvalidParameter", "region")
    fails(lambda: sns.get_topic_attributes(TopicArn="arn:aws:sns:eu-west-1:123456789012:x"), "AuthorizationError",
          "123456789012", 403)


def test_tags(sns, topic):
    fifty = [{"Key": f"k{i}", "Value": "v"} for i in range(50)]
    sns.tag_resource(ResourceArn=topic, Tags=fifty)
    assert sns.list_tags_for_resource(ResourceArn=topic)["Tags"] == fifty
    fails(lambda: sns.tag_resource(ResourceArn=topic, Tags=[{"Key": "more", "Value": ""}]), "TagLimitExceeded", "tag")
    sns.untag_resource(ResourceArn=topic, TagKeys=[f"k{i}" for i in range(1, 50)])
    sns.tag_resource(ResourceArn=topic, Tags=[{"Key": "k0", "Value": "new"}])
    assert sns.list_tags_for_resource(ResourceArn=topic)["Tags"] == [{"Key": "k0", "Value": "new"}]
    fails(lambda: sns.tag_resource(ResourceArn=topic, Tags=[{"Key": "aws:x", "Value": ""}]), "InvalidParameter", "aws:")
    fails(lambda: sns.list_tags_for_resource(ResourceArn=topic + "x"), "ResourceNotFound", "does not exist", 404)


# --- subscriptions ---------------------------------------------------------------------------------


def test_subscribe_confirm_unsubscribe(leat, sns, topic):
    answer = sns.subscribe(TopicArn=topic, Protocol="email-json", Endpoint="ops@example.com")
    assert answer["SubscriptionArn"] == "pending confirmation"
    listed = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert listed == [{"SubscriptionArn": "PendingConfirmation", "Owner": "000000000000", "Protocol": "email-json",
                       "Endpoint": "ops@example.com", "TopicArn": topic}]
    sns.publish(TopicArn=topic, Message="to nobody yet")
    assert [m["subject"] for m in inbox(leat, topic)] == ["AWS Notification - Subscription Confirmation"]
    document = json.loads(inbox(leat, topic)[0]["body"])
    assert document["Type"] == "SubscriptionConfirmation" and document["TopicArn"] == topic
    with urllib.request.urlopen(document["SubscribeURL"], timeout=10) as page:
        arn = re.search("<SubscriptionArn>(.+)</SubscriptionArn>", page.read().decode()).group(1)
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"][0]["SubscriptionArn"] == arn
    assert sns.confirm_subscription(TopicArn=topic, Token=document["Token"])["SubscriptionArn"] == arn
    again = sns.subscribe(TopicArn=topic, Protocol="email-json", Endpoint="ops@example.com")
    assert again["SubscriptionArn"] == arn and len(inbox(leat, topic)) == 1
    attributes = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    assert attributes["PendingConfirmation"] == "false" and attributes["ConfirmationWasAuthenticated"] == "false"
    sns.publish(TopicArn=topic, Message="{'ID': 'A-1'}", Subject="Alert with Severity 5!")
    mail = inbox(leat, topic)[0]
    assert (mail["subject"], mail["to"], mail["region"]) == ("Alert with Severity 5!", "ops@example.com", REGION)
    assert (mail["state"], mail["delivered"], mail["error"], mail["attempts"]) == ("local", False, None, 0)
    document = json.loads(mail["body"])
    assert document["Type"] == "Notification" and document["Message"] == "{'ID': 'A-1'}"
    urllib.request.urlopen(document["UnsubscribeURL"], timeout=10)
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []
    sns.unsubscribe(SubscriptionArn=arn)
    fails(lambda: sns.get_subscription_attributes(SubscriptionArn=arn), "NotFound", "Subscription does not exist", 404)


def test_a_signed_confirmation_may_ask_for_a_signed_end(leat, sns, topic):
    answer = sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="a@b.example", ReturnSubscriptionArn=True)
    arn = answer["SubscriptionArn"]
    assert arn.startswith(topic + ":")
    token = re.search("Token=([0-9a-f]+)", inbox(leat, topic)[0]["body"]).group(1)
    sns.confirm_subscription(TopicArn=topic, Token=token, AuthenticateOnUnsubscribe="true")
    link = f"{leat.endpoint}/?Action=Unsubscribe&SubscriptionArn={arn}"
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(link, timeout=10)
    assert error.value.code == 403 and b"AuthenticateOnUnsubscribe" in error.value.read()
    assert sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]["ConfirmationWasAuthenticated"] == "true"
    sns.unsubscribe(SubscriptionArn=arn)
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []


def test_only_the_two_links_work_unsigned(leat, sns, topic):
    subscribed(leat, sns, topic)
    for query in (f"Action=Publish&TopicArn={topic}&Message=x", f"Action=DeleteTopic&TopicArn={topic}", "Action=ListTopics"):
        try:  # GET / may show the console; it never is an action.
            with urllib.request.urlopen(f"{leat.endpoint}/?{query}", timeout=10) as answer:
                assert b"xmlns" not in answer.read()
        except urllib.error.HTTPError as error:
            assert error.code == 403
    assert len(inbox(leat, topic)) == 1 and sns.get_topic_attributes(TopicArn=topic)
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(f"{leat.endpoint}/?Action=ConfirmSubscription&TopicArn={topic}&Token=0", timeout=10)
    assert error.value.code == 400 and b"Invalid parameter: Token" in error.value.read()
    form = urllib.request.Request(leat.endpoint, data=b"Action=ConfirmSubscription&Token=0", method="POST")
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(form, timeout=10)
    assert error.value.code in (403, 405)


def test_bad_subscriptions(sns, topic):
    subscribe = lambda protocol, endpoint, **more: sns.subscribe(
        TopicArn=topic, Protocol=protocol, Endpoint=endpoint, **more)
    for protocol in ("sqs", "lambda", "http", "https", "sms", "application", "firehose"):
        fails(lambda: subscribe(protocol, "x"), "InvalidParameter", f'"{protocol}" is not supported')
    fails(lambda: subscribe("pigeon", "x"), "InvalidParameter", "does not support this protocol string: pigeon")
    for bad in ("", "x", "a@b@c", "a b@c", "a@b,c@d", "<a@b>", "a@b\r\nBcc: c@d", "a@", "@b", "é@b", "a" * 65 + "@b"):
        fails(lambda: subscribe("email", bad), "InvalidParameter", "Email address")
    fails(lambda: subscribe("email", "a@b", Attributes={"FilterPolicy": "{}"}), "InvalidParameter", "FilterPolicy")
    fails(lambda: sns.subscribe(TopicArn=topic + "x", Protocol="email", Endpoint="a@b"), "NotFound", "Topic", 404)
    fails(lambda: sns.confirm_subscription(TopicArn=topic, Token="0"), "InvalidParameter", "Token")
    fails(lambda: sns.unsubscribe(SubscriptionArn="PendingConfirmation"), "InvalidParameter", "6 elements")
    arn = subscribe("email", "a@b", ReturnSubscriptionArn=True)["SubscriptionArn"]
    set_ = lambda name, value: sns.set_subscription_attributes(
        SubscriptionArn=arn, AttributeName=name, AttributeValue=value)
    set_("RawMessageDelivery", "false")
    fails(lambda: set_("RawMessageDelivery", "true"), "InvalidParameter", "does not support raw message delivery")
    fails(lambda: set_("FilterPolicy", "{}"), "InvalidParameter", "FilterPolicy")
    assert [s["TopicArn"] for s in sns.list_subscriptions()["Subscriptions"] if s["TopicArn"] == topic] == [topic]


# --- publishing ------------------------------------------------------------------------------------


def test_message_structure_and_attributes(leat, sns, topic):
    subscribed(leat, sns, topic, "json@example.com", "email-json")
    subscribed(leat, sns, topic, "text@example.com", "email")
    sns.publish(TopicArn=topic, MessageStructure="json",
                Message=json.dumps({"default": "for all", "email": "für Leser\nzweite Zeile"}),
                MessageAttributes={"severity": {"DataType": "Number", "StringValue": "5"},
                                   "blob": {"DataType": "Binary", "BinaryValue": b"\0\xff"}})
    mails = {m["to"]: m for m in inbox(leat, topic) if m["subject"] == "AWS Notification Message"}
    assert mails["text@example.com"]["body"].startswith("für Leser\nzweite Zeile\n")
    document = json.loads(mails["json@example.com"]["body"])
    assert document["Message"] == "for all"
    assert document["MessageAttributes"] == {"severity": {"Type": "Number", "Value": "5"},
                                             "blob": {"Type": "Binary", "Value": "AP8="}}


@pytest.mark.parametrize("options,code,part", [
    (dict(Message=""), "InvalidParameter", "Empty message"),
    (dict(Message="x" * 262145), "InvalidParameter", "Message too long"),
    (dict(Message="x", Subject="é" * 101), "InvalidParameter", "Subject"),
    (dict(Message="x", Subject="a\nb"), "InvalidParameter", "Subject"),
    (dict(Message="x", Subject="a\r\nBcc: b@c"), "InvalidParameter", "Subject"),
    (dict(Message="x", Subject="a\u2028b"), "InvalidParameter", "Subject"),
    (dict(Message="x", Subject="a\u0085b"), "InvalidParameter", "Subject"),
    (dict(Message="x", Subject="a\tb"), "InvalidParameter", "Subject"),
    (dict(Message="x", MessageStructure="json"), "InvalidParameter", "failed to parse"),
    (dict(Message="{}", MessageStructure="json"), "InvalidParameter", "No default entry"),
    (dict(Message="{}", MessageStructure="xml"), "InvalidParameter", "MessageStructure"),
    (dict(Message="x", MessageGroupId="g"), "InvalidParameter", "FIFO"),
    (dict(Message="x", MessageAttributes={"a": {"DataType": "String", "StringValue": ""}}),
     "ParameterValueInvalid", "non-empty"),
    (dict(Message="x", MessageAttributes={"a": {"DataType": "Number", "StringValue": "x"}}),
     "ParameterValueInvalid", "number"),
    (dict(Message="x", MessageAttributes={"a": {"DataType": "Date", "StringValue": "x"}}),
     "ParameterValueInvalid", "type"),
    (dict(Message="x", MessageAttributes={f"a{i}": {"DataType": "String", "StringValue": "x"} for i in range(11)}),
     "InvalidParameter", "at most 10"),
])
def test_bad_messages(leat, sns, topic, options, code, part):
    subscribed(leat, sns, topic)
    fails(lambda: sns.publish(TopicArn=topic, **options), code, part)
    assert len(inbox(leat, topic)) == 1  # The confirmation.


def test_limits_of_a_message(leat, sns, topic):
    subscribed(leat, sns, topic)
    sns.publish(TopicArn=topic, Message="ü" * 131072, Subject="é" * 100)
    mail = inbox(leat, topic)[0]
    assert mail["subject"] == "é" * 100 and json.loads(mail["body"])["Message"] == "ü" * 131072
    sns.publish(TargetArn=topic, Message="x")
    fails(lambda: sns.publish(Message="x"), "InvalidParameter", "TopicArn or TargetArn")
    fails(lambda: sns.publish(PhoneNumber="+15550100", Message="x"), "InvalidParameter", "SMS")
    fails(lambda: sns.publish(TopicArn=topic + "x", Message="x"), "NotFound", "Topic does not exist", 404)


def test_batches(leat, sns, topic):
    subscribed(leat, sns, topic)
    entry = lambda i, **more: {"Id": str(i), "Message": f"m{i}", **more}
    batch = lambda entries: sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    answer = batch([entry(i) for i in range(9)] + [entry(9, Subject="a\nb")])
    assert [e["Id"] for e in answer["Successful"]] == [str(i) for i in range(9)]
    assert [(e["Id"], e["Code"], e["SenderFault"]) for e in answer["Failed"]] == [("9", "InvalidParameter", True)]
    assert [json.loads(m["body"])["Message"] for m in inbox(leat, topic)[:9]] == [f"m{i}" for i in range(8, -1, -1)]
    fails(lambda: batch([]), "EmptyBatchRequest", "any entries")
    fails(lambda: batch([entry(i) for i in range(11)]), "TooManyEntriesInBatchRequest", "more entries")
    fails(lambda: batch([entry(1), entry(1)]), "BatchEntryIdsNotDistinct", "same Id")
    fails(lambda: batch([{"Id": "a b", "Message": "x"}]), "InvalidBatchEntryId", "Id")
    fails(lambda: batch([entry(i, Message="x" * 30000) for i in range(9)]), "BatchRequestTooLong", "limit")


def test_unsupported_operations_name_themselves(sns, topic):
    fails(lambda: sns.create_platform_application(Name="a", Platform="GCM", Attributes={}), "InvalidAction",
          '"CreatePlatformApplication" of SNS is not supported')
    fails(lambda: sns.add_permission(TopicArn=topic, Label="l", AWSAccountId=["1"], ActionName=["Publish"]),
          "InvalidAction", "AddPermission")


def test_accounts_and_regions_are_separate(leat, sns, topic):
    other = make_client(leat, "sns", REGION, key="123456789012")
    assert other.list_topics()["Topics"] == []
    assert make_client(leat, "sns", "eu-north-1").list_topics()["Topics"] == []
    mine = other.create_topic(Name=topic.split(":")[-1])["TopicArn"]
    assert mine == topic.replace("000000000000", "123456789012")
    other.delete_topic(TopicArn=mine)
    sns.get_topic_attributes(TopicArn=topic)


@pytest.mark.parametrize("subject", ["Alert with Severity 5!", None])
def test_documents_are_signed(leat, sns, topic, tmp_path, subject):
    """As AWS's own verification does it: the certificate's key over the named members."""
    subscribed(leat, sns, topic)
    sns.publish(TopicArn=topic, Message="Unfälle\nin Köln", **({"Subject": subject} if subject else {}))
    notice, confirmation = (json.loads(m["body"]) for m in inbox(leat, topic))
    for document, names in (
            (notice, ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]),
            (confirmation, ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"])):
        assert document["SignatureVersion"] == "1"
        with urllib.request.urlopen(document["SigningCertURL"], timeout=10) as answer:
            (tmp_path / "cert.pem").write_bytes(answer.read())
        (tmp_path / "signature").write_bytes(base64.b64decode(document["Signature"]))
        openssl = lambda *args, **more: subprocess.run(["openssl", *args], cwd=tmp_path, capture_output=True, **more)
        (tmp_path / "key.pem").write_bytes(openssl("x509", "-in", "cert.pem", "-pubkey", "-noout").stdout)
        text = "".join(f"{n}\n{document[n]}\n" for n in names if n in document)
        verify = ("dgst", "-sha1", "-verify", "key.pem", "-signature", "signature")
        assert openssl(*verify, input=text.encode()).stdout == b"Verified OK\n"
        assert openssl(*verify, input=text.replace("K", "k").encode()).returncode != 0 or "K" not in text
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{leat.endpoint}/_aws/sns/certificate/other.pem", timeout=10)


# --- the inbox -------------------------------------------------------------------------------------


def test_inbox_pages_and_raw(leat, sns, topic):
    subscribed(leat, sns, topic, protocol="email")
    for i in range(5):
        sns.publish(TopicArn=topic, Message=f"message {i}")
    newest = inbox(leat, limit=2)
    assert [m["body"][:9] for m in newest] == ["message 4", "message 3"]
    older = inbox(leat, limit=2, after=newest[-1]["id"])
    assert [m["body"][:9] for m in older] == ["message 2", "message 1"]
    assert all(m["region"] == REGION for m in inbox(leat, region=REGION))
    assert inbox(leat, region="nowhere-1") == []
    one = get(leat, f"/_aws/sns/inbox/{newest[0]['id']}")
    message = email.message_from_string(one["raw"], policy=email.policy.default)
    assert message["To"] == "ops@example.com" and message.get_content().replace("\r", "") == newest[0]["body"]
    for path in ("/_aws/sns/inbox/999999999", "/_aws/sns/inbox/x", "/_aws/sns/inbox/"):
        with pytest.raises(urllib.error.HTTPError) as error:
            get(leat, path)
        assert error.value.code == 404
    for query in ("limit=0", "limit=501", "limit=x", "after=-1"):
        with pytest.raises(urllib.error.HTTPError) as error:
            get(leat, f"/_aws/sns/inbox?{query}")
        assert error.value.code == 400


def test_leat_inbox(leat, sns, topic):
    subscribed(leat, sns, topic, protocol="email")
    sns.publish(TopicArn=topic, Message="line\x1b[31m one", Subject="Alert with Severity 4!")
    run = lambda *args: subprocess.run([leat_server.BINARY, "inbox", *args], text=True, capture_output=True,
                                       env={**os.environ, "LEAT_ENDPOINT": leat.endpoint}, timeout=30)
    table = run("list", "--limit", "1")
    assert table.returncode == 0 and "REGION" in table.stdout
    assert REGION in table.stdout and "Alert with Severity 4!" in table.stdout
    mail = json.loads(run("-o", "json").stdout)["messages"][0]
    shown = run("show", str(mail["id"]))
    assert "line?[31m one" in shown.stdout and "\x1b" not in shown.stdout
    assert json.loads(run("show", str(mail["id"]), "-o", "json").stdout)["id"] == mail["id"]
    assert run("show", "999999999").returncode == 5
    assert run("show", "x").returncode == 2 and run("delete", "1").returncode == 2
    assert "no mails" in run("--region", "nowhere-1").stdout


# --- delivery --------------------------------------------------------------------------------------


def test_delivery(smtp, mailing):
    sns = make_client(mailing, "sns", REGION)
    topic = sns.create_topic(Name="alerts", Attributes={"DisplayName": "Straße \"4\""})["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email-json", Endpoint="ops@example.com")
    (to, mail), = smtp.wait(1)
    assert to == ["ops@example.com"]
    assert mail["Subject"] == "AWS Notification - Subscription Confirmation"
    assert mail["From"] == '"Straße \\"4\\"" <no-reply@sns.leat.localhost>'
    urllib.request.urlopen(json.loads(mail.get_content())["SubscribeURL"], timeout=10)
    sns.publish(TopicArn=topic, Message="Unfälle in Köln", Subject="Alert with Severity 4! ü")
    to, mail = smtp.wait(2)[1]
    assert mail["Subject"] == "Alert with Severity 4! ü"
    document = json.loads(mail.get_content())
    assert document["Message"] == "Unfälle in Köln" and document["TopicArn"] == topic
    wait_until(lambda: [m["state"] for m in inbox(mailing)] == ["sent", "sent"])
    assert all(m["delivered"] and m["attempts"] == 1 for m in inbox(mailing))
    text = urllib.request.urlopen(mailing.endpoint + "/metrics", timeout=10).read().decode()
    assert 'leat_sns_mails{state="sent"} 2' in text and 'leat_sns_mail_attempts_total{outcome="sent"} 2' in text


def test_nothing_in_a_message_ends_it(smtp, mailing):
    sns = make_client(mailing, "sns", REGION)
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    subscribed(mailing, sns, topic, protocol="email")
    evil = "\r\n.\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nSubject: evil\n.\n..\nBcc: x@y\n" + "x" * 3000
    sns.publish(TopicArn=topic, Message=evil, Subject="=?UTF-8?B?QmNjOiB4?=")
    to, mail = smtp.wait(2)[1]
    assert to == ["ops@example.com"] and mail["Subject"] == "=?UTF-8?B?QmNjOiB4?="
    assert mail["Bcc"] is None
    assert mail.get_content().replace("\r\n", "\n").startswith(evil.replace("\r\n", "\n"))
    assert [line for line in smtp.lines if line.startswith("MAIL")] == ["MAIL FROM:<no-reply@sns.leat.localhost>"] * 2
    assert len(smtp.mails) == 2


def test_a_dead_server_delays_and_loses_nothing(tmp_path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    server = leat_server.Server(data=str(tmp_path / "data"))
    server.environment = {"LEAT_SMTP_URL": f"smtp://127.0.0.1:{port}"}
    server.start()
    sns = make_client(server, "sns", REGION)
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    subscribed(server, sns, topic)
    sns.publish(TopicArn=topic, Message="one")
    late = wait_until(lambda: [m for m in inbox(server) if m["attempts"] > 0])
    assert late[0]["state"] == "pending" and f"127.0.0.1:{port}" in late[0]["error"]
    assert "mail delayed" in server.output()
    server.kill()
    server.start()
    make_client(server, "sns", REGION).publish(TopicArn=topic, Message="two")
    smtp = SmtpServer(port)
    subjects = [mail["Subject"] for _, mail in smtp.wait(3, 30)]
    assert len(subjects) == 3
    wait_until(lambda: [m["state"] for m in inbox(server)] == ["sent"] * 3)
    server.stop()
    smtp.stop()


def test_refusals(smtp, mailing):
    smtp.replies = {"gone@example.com": "550 5.1.1 no such user", "grey@example.com": "451 4.7.1 try later"}
    sns = make_client(mailing, "sns", REGION)
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    for address in ("gone@example.com", "grey@example.com", "fine@example.com"):
        sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=address)
    smtp.wait(1)
    mails = wait_until(lambda: (m := {m["to"].split("@")[0]: m for m in inbox(mailing)}) and
                       all(x["attempts"] > 0 for x in m.values()) and m)
    assert mails["fine"]["state"] == "sent"
    assert mails["gone"]["state"] == "failed" and "550 5.1.1 no such user" in mails["gone"]["error"]
    assert mails["grey"]["state"] == "pending" and "451 4.7.1 try later" in mails["grey"]["error"]
    assert mails["grey"]["next_attempt_ms"] > mails["grey"]["at_ms"]
    smtp.replies = {}
    smtp.wait(2)
    wait_until(lambda: [m["state"] for m in inbox(mailing)] == ["sent", "sent", "failed"])


def test_a_server_that_takes_no_sender_or_greets_badly_only_delays(smtp, mailing):
    smtp.replies = {"mail": "550 5.7.1 sender refused"}
    sns = make_client(mailing, "sns", REGION)
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="a@example.com")
    mail = wait_until(lambda: [m for m in inbox(mailing) if m["attempts"] > 0])[0]
    assert mail["state"] == "pending" and "sender refused" in mail["error"]
    smtp.replies = {"greeting": "554 no service"}
    wait_until(lambda: inbox(mailing)[0]["attempts"] > 1)
    assert inbox(mailing)[0]["state"] == "pending"
    smtp.replies = {"data": "554 5.6.0 looks odd"}
    wait_until(lambda: inbox(mailing)[0]["state"] == "failed", 30)
    assert "looks odd" in inbox(mailing)[0]["error"]


def test_login(tmp_path):
    smtp = SmtpServer(password="se cret")
    server = leat_server.Server(data=str(tmp_path / "data"))
    server.environment = {"LEAT_SMTP_URL": f"smtp://user:wrong@127.0.0.1:{smtp.port}",
                          "LEAT_SMTP_FROM": "alerts@example.com"}
    server.start()
    sns = make_client(server, "sns", REGION)
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="a@example.com")
    mail = wait_until(lambda: [m for m in inbox(server) if m["attempts"] > 0])[0]
    assert mail["state"] == "pending" and "535" in mail["error"] and "wrong" not in mail["error"].replace("wrong password", "")
    assert f"mail      smtp://127.0.0.1:{smtp.port}" in server.output()
    assert "user" not in server.output() and "535" in server.output()
    server.stop()
    server.environment["LEAT_SMTP_URL"] = f"smtp://user:se%20cret@127.0.0.1:{smtp.port}"
    server.start()
    _, mail = smtp.wait(1)[0]
    assert mail["From"] == "AWS Notifications <alerts@example.com>"
    server.stop()
    smtp.stop()


def test_a_password_goes_nowhere_without_tls(tmp_path):
    """[::ffff:127.0.0.1] is not seen as this machine, so the rule for other machines holds."""
    smtp = SmtpServer(password="secret")
    server = leat_server.Server(data=str(tmp_path / "data"))
    server.environment = {"LEAT_SMTP_URL": f"smtp://user:secret@[::ffff:127.0.0.1]:{smtp.port}"}
    server.start()
    sns = make_client(server, "sns", REGION)
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="a@example.com")
    mail = wait_until(lambda: [m for m in inbox(server) if m["attempts"] > 0])[0]
    assert mail["state"] == "pending" and "SSL" in mail["error"]
    assert smtp.connections > 0 and not [line for line in smtp.lines if line.startswith("AUTH")]
    server.stop()
    smtp.stop()


@pytest.mark.parametrize("environment,part", [
    ({"LEAT_SMTP_URL": "http://x"}, "smtp:// or smtps://"),
    ({"LEAT_SMTP_URL": "smtp://"}, "mail server"),
    ({"LEAT_SMTP_URL": "smtp://host/path"}, "behind the port"),
    ({"LEAT_SMTP_FROM": "nobody"}, "no mail address"),
    ({"LEAT_SMTP_FROM": "a@b>\r\nBcc: c"}, "no mail address"),
])
def test_bad_settings_do_not_start(tmp_path, environment, part):
    done = subprocess.run([leat_server.BINARY, "start", "--data", str(tmp_path), "--port", "0"], text=True,
                          capture_output=True, timeout=20, env={**os.environ, **environment})
    assert done.returncode == 78 and part in done.stderr


def test_kill_9_keeps_topics_subscriptions_and_mails(tmp_path):
    server = leat_server.Server(data=str(tmp_path / "data")).start()
    sns = make_client(server, "sns", REGION)
    topic = sns.create_topic(Name="alerts", Tags=[{"Key": "a", "Value": "b"}])["TopicArn"]
    arn = subscribed(server, sns, topic)
    for i in range(10):
        sns.publish(TopicArn=topic, Message=str(i))
    server.kill()
    server.start()
    assert len(inbox(server)) == 11
    sns = make_client(server, "sns", REGION)
    assert sns.list_subscriptions()["Subscriptions"][0]["SubscriptionArn"] == arn
    assert sns.list_tags_for_resource(ResourceArn=topic)["Tags"] == [{"Key": "a", "Value": "b"}]
    server.stop()


def test_every_operation_was_checked(sns):
    assert sns.seen >= {
        "CreateTopic", "DeleteTopic", "ListTopics", "GetTopicAttributes", "SetTopicAttributes", "Subscribe",
        "ConfirmSubscription", "Unsubscribe", "ListSubscriptions", "ListSubscriptionsByTopic",
        "GetSubscriptionAttributes", "SetSubscriptionAttributes", "Publish", "PublishBatch", "TagResource",
        "UntagResource", "ListTagsForResource"}
