"""What clients get that ask for services, operations and signatures that the server has nothing for."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from airflow_provider_omics.local import LocalOmics

GARBLED = [
    "AWS4-HMAC-SHA256 Credential=AKID/2026",
    "Bearer abc",
    "x",
    "AWS4-HMAC-SHA256 Credential=a/b/c/d/e/f, Signature=0",
]


@pytest.fixture(scope="module")
def server() -> Iterator[LocalOmics]:
    with LocalOmics(executor="simulated") as started:
        yield started


def client(server: LocalOmics, service: str) -> Any:
    return server.client(service, config=Config(retries={"mode": "standard", "total_max_attempts": 5}))


def ask(
    server: LocalOmics, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, dict[str, str], str]:
    connection = http.client.HTTPConnection(urlsplit(server.endpoint_url).netloc)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body=body, headers=named)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, dict(response.headers), text


# Service, operation, members; the protocols are JSON, REST-JSON, query, REST-XML and CBOR.
NOT_SERVED: list[tuple[str, str, dict[str, Any]]] = [
    ("codeconnections", "list_connections", {}),
    ("ecr", "describe_pull_through_cache_rules", {}),
    ("ecr", "get_account_setting", {"name": "BLOB_MOUNTING"}),
    ("lambda", "list_capacity_providers", {}),
    ("iam", "get_outbound_web_identity_federation_info", {}),
    ("cloudwatch", "describe_anomaly_detectors", {}),
    ("cloudsearch", "list_domain_names", {}),
    ("mturk", "get_account_balance", {}),
    ("account", "get_contact_information", {}),
]


@pytest.mark.parametrize(("service", "operation", "members"), NOT_SERVED, ids=[f"{n[0]}-{n[1]}" for n in NOT_SERVED])
def test_what_is_not_served_is_named_and_not_asked_for_again(
    server: LocalOmics, service: str, operation: str, members: dict[str, Any]
) -> None:
    asking = client(server, service)
    with pytest.raises(ClientError) as caught:
        getattr(asking, operation)(**members)
    answer = caught.value.response
    assert 400 <= answer["ResponseMetadata"]["HTTPStatusCode"] < 500
    assert answer["ResponseMetadata"]["RetryAttempts"] == 0
    assert answer["Error"]["Code"] == "UnknownOperationException"
    assert answer["Error"]["Message"].startswith(f"{asking.meta.service_model.signing_name} ")
    assert "is not served by the local HealthOmics server" in answer["Error"]["Message"]


def test_service_quotas_that_moto_has_are_answered_or_refused(server: LocalOmics) -> None:
    quotas = client(server, "service-quotas")
    with pytest.raises(ClientError) as caught:
        quotas.get_service_quota(ServiceCode="ec2", QuotaCode="L-A30FD31B")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] < 500
    assert quotas.list_aws_default_service_quotas(ServiceCode="vpc")["Quotas"]


def test_service_quotas_has_those_of_the_server(server: LocalOmics) -> None:
    quotas = client(server, "service-quotas")
    known = {quota["QuotaCode"]: quota["Value"] for quota in quotas.list_service_quotas(ServiceCode="omics")["Quotas"]}
    kept = server.account("us-east-1").quotas.stored_runs
    assert known["L-C9679DBC"] == kept
    named = {"ServiceCode": "omics", "QuotaCode": "L-C9679DBC"}
    assert quotas.get_service_quota(**named)["Quota"]["Value"] == kept
    assert quotas.get_aws_default_service_quota(**named)["Quota"]["Value"] == 100_000
    with pytest.raises(ClientError, match="NoSuchResourceException"):
        quotas.get_service_quota(ServiceCode="omics", QuotaCode="L-00000000")


class TestSignatures:
    @pytest.mark.parametrize("authorization", GARBLED)
    def test_a_garbled_header_is_refused_as_json(self, server: LocalOmics, authorization: str) -> None:
        status, headers, text = ask(server, "GET", "/run", Authorization=authorization)
        assert (status, headers["x-amzn-ErrorType"]) == (403, "IncompleteSignatureException")
        assert "Credential=KEY/YYYYMMDD/REGION/SERVICE/aws4_request" in json.loads(text)["message"]

    @pytest.mark.parametrize("authorization", GARBLED)
    def test_a_garbled_header_is_refused_as_xml_of_s3(self, server: LocalOmics, authorization: str) -> None:
        status, headers, text = ask(server, "GET", "/some-bucket/key", Authorization=authorization)
        assert (status, headers["Content-Type"]) == (400, "application/xml")
        assert "<Error><Code>AuthorizationHeaderMalformed</Code>" in text

    @pytest.mark.parametrize("authorization", GARBLED)
    def test_a_garbled_header_is_refused_as_xml_of_queries(self, server: LocalOmics, authorization: str) -> None:
        form = {"Content_Type": "application/x-www-form-urlencoded", "Authorization": authorization}
        status, _, text = ask(server, "POST", "/", b"Action=GetCallerIdentity&Version=2011-06-15", **form)
        assert status == 403
        assert "<ErrorResponse><Error><Type>Sender</Type><Code>IncompleteSignature</Code>" in text

    def test_a_missing_header_is_refused_in_the_form_of_the_protocol(self, server: LocalOmics) -> None:
        status, headers, text = ask(server, "GET", "/run/1")
        assert (status, headers["x-amzn-ErrorType"]) == (403, "MissingAuthenticationTokenException")
        assert json.loads(text)["message"].startswith("GET /run/1 has no Authorization header")
        status, _, text = ask(server, "POST", "/", b"{}", X_Amz_Target="Logs_20140328.DescribeLogGroups")
        assert (status, json.loads(text)["__type"]) == (403, "MissingAuthenticationTokenException")
        form = {"Content_Type": "application/x-www-form-urlencoded"}
        status, _, text = ask(server, "POST", "/", b"Action=GetCallerIdentity&Version=2011-06-15", **form)
        assert (status, "<Code>MissingAuthenticationToken</Code>" in text) == (403, True)

    def test_public_objects_and_presigned_addresses_need_none(self, server: LocalOmics) -> None:
        s3 = server.client("s3")
        s3.create_bucket(Bucket="run", ACL="public-read")
        s3.put_object(Bucket="run", Key="1", Body=b"content", ACL="public-read")
        assert ask(server, "GET", "/run/1")[::2] == (200, "content")
        url = s3.generate_presigned_url("get_object", Params={"Bucket": "run", "Key": "1"})
        with urllib.request.urlopen(url) as response:
            assert response.read() == b"content"
        s3.delete_object(Bucket="run", Key="1")
        s3.delete_bucket(Bucket="run")

    def test_roles_are_assumed_with_a_web_identity_without_one(self, server: LocalOmics) -> None:
        body = (
            b"Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName=me&WebIdentityToken=token"
            b"&RoleArn=arn:aws:iam::123456789012:role/me"
        )
        status, _, text = ask(server, "POST", "/", body, Content_Type="application/x-www-form-urlencoded")
        assert (status, "<AssumedRoleUser>" in text) == (200, True)


def test_log_events_are_filtered_by_a_prefix_of_the_streams(server: LocalOmics) -> None:
    logs = server.client("logs")
    for name in ("run/1", "run/1/task/2", "run/10", "manifest/run/1"):
        server.account().aws.put_log_lines("group", name, [(datetime.now(UTC), name)])

    def messages(**members: Any) -> list[str]:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName="group", **members)
        return sorted(event["message"] for page in pages for event in page["events"])

    assert messages(logStreamNamePrefix="run/1/") == ["run/1/task/2"]
    assert messages(logStreamNamePrefix="run/1") == ["run/1", "run/1/task/2", "run/10"]
    assert messages(logStreamNamePrefix="run/1", PaginationConfig={"PageSize": 1}) == [
        "run/1",
        "run/1/task/2",
        "run/10",
    ]
    assert messages(logStreamNamePrefix="nothing") == []
    assert len(messages()) == 4
    assert messages(logStreamNames=["run/10"]) == ["run/10"]
    with pytest.raises(ClientError, match="cannot be given together"):
        messages(logStreamNames=["run/10"], logStreamNamePrefix="run")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        logs.filter_log_events(logGroupName="no group", logStreamNamePrefix="run")


class TestPrices:
    def price(self, server: LocalOmics, resource: str, region: str) -> list[float]:
        filters = [
            {"Type": "TERM_MATCH", "Field": "resourceType", "Value": resource},
            {"Type": "TERM_MATCH", "Field": "regionCode", "Value": region},
        ]
        pages = (
            client(server, "pricing").get_paginator("get_products").paginate(ServiceCode="AmazonOmics", Filters=filters)
        )
        found = []
        for entry in (json.loads(text) for page in pages for text in page["PriceList"]):
            attributes = entry["product"]["attributes"]
            assert (attributes["resourceType"], attributes["regionCode"]) == (resource, region)
            (term,) = entry["terms"]["OnDemand"].values()
            (dimension,) = term["priceDimensions"].values()
            found.append(float(dimension["pricePerUnit"]["USD"]))
        return found

    def test_the_example_has_a_price_for_what_runs_use(self, server: LocalOmics) -> None:
        for resource in ("omics.c.large", "omics.r.48xlarge", "omics.g5.xlarge", "Run Storage", "Dynamic Run Storage"):
            (usd,) = self.price(server, resource, "eu-west-1")
            assert usd > 0
        assert self.price(server, "omics.x.large", "eu-west-1") == []

    def test_regions_can_be_asked_for_by_their_location(self, server: LocalOmics) -> None:
        filters = [
            {"Type": "TERM_MATCH", "Field": "location", "Value": "EU (Ireland)"},
            {"Type": "TERM_MATCH", "Field": "resourceType", "Value": "omics.c.large"},
        ]
        (entry,) = client(server, "pricing").get_products(ServiceCode="AmazonOmics", Filters=filters)["PriceList"]
        assert json.loads(entry)["product"]["attributes"]["regionCode"] == "eu-west-1"

    def test_services_attributes_and_pages(self, server: LocalOmics) -> None:
        pricing = client(server, "pricing")
        (service,) = pricing.describe_services(ServiceCode="AmazonOmics")["Services"]
        assert (service["ServiceCode"], "resourceType" in service["AttributeNames"]) == ("AmazonOmics", True)
        values = [
            value["Value"]
            for page in pricing.get_paginator("get_attribute_values").paginate(
                ServiceCode="AmazonOmics", AttributeName="resourceType", PaginationConfig={"PageSize": 7}
            )
            for value in page["AttributeValues"]
        ]
        assert len(values) == len(set(values)) > 40
        pages = pricing.get_paginator("get_products").paginate(
            ServiceCode="AmazonOmics", PaginationConfig={"PageSize": 7}
        )
        assert sum(len(page["PriceList"]) for page in pages) == len(values)

    @pytest.mark.parametrize(
        ("operation", "members", "code"),
        [
            ("get_products", {"ServiceCode": "AmazonEC2"}, "NotFoundException"),
            ("get_products", {"ServiceCode": "AmazonOmics", "NextToken": "made up"}, "InvalidNextTokenException"),
            ("describe_services", {"ServiceCode": "AmazonS3"}, "NotFoundException"),
            (
                "get_attribute_values",
                {"ServiceCode": "AmazonOmics", "AttributeName": "colour"},
                "InvalidParameterException",
            ),
            ("list_price_lists", {"ServiceCode": "AmazonOmics", "EffectiveDate": 0, "CurrencyCode": "USD"}, "Unknown"),
        ],
    )
    def test_mistakes_are_named(self, server: LocalOmics, operation: str, members: dict[str, Any], code: str) -> None:
        with pytest.raises(ClientError) as caught:
            getattr(client(server, "pricing"), operation)(**members)
        assert caught.value.response["Error"]["Code"].startswith(code)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] < 500

    def test_a_file_of_ones_own_replaces_the_example(self, tmp_path: Path) -> None:
        file = tmp_path / "prices.json"
        products = [
            {"resourceType": "omics.c.large", "unit": "Hours", "usd": 7, "regionCode": "eu-west-1"},
            {"resourceType": "omics.c.large", "unit": "Hours", "usd": 8.5, "regionCode": "us-east-1"},
        ]
        file.write_text(json.dumps({"products": products}))
        with LocalOmics(executor="simulated", price_file=file) as server:
            assert self.price(server, "omics.c.large", "eu-west-1") == [7]
            assert self.price(server, "omics.c.large", "us-east-1") == [8.5]
            assert self.price(server, "Run Storage", "us-east-1") == []

    @pytest.mark.parametrize(
        ("content", "part"),
        [
            ("", "not of the form"),
            ("[]", "not of the form"),
            ('{"products": 1}', "not of the form"),
            ('{"products": [{"resourceType": "a", "unit": "Hours"}]}', r"products\[0\]"),
            ('{"products": [{"resourceType": "a", "unit": "Hours", "usd": -1}]}', r"products\[0\]"),
            ('{"products": [{"resourceType": "a", "unit": "Hours", "usd": NaN}]}', r"products\[0\]"),
            ('{"products": [{"resourceType": "a", "unit": "Hours", "usd": 1, "regionCode": 5}]}', r"products\[0\]"),
        ],
    )
    def test_a_file_that_cannot_be_used_is_refused_at_the_start(self, tmp_path: Path, content: str, part: str) -> None:
        file = tmp_path / "prices.json"
        file.write_text(content)
        with pytest.raises(ValueError, match=part):
            LocalOmics(executor="simulated", price_file=file)
        with pytest.raises(ValueError, match="cannot be read"):
            LocalOmics(executor="simulated", price_file=tmp_path / "nothing")
