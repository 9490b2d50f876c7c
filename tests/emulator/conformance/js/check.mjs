// Drives the emulator with the unmodified AWS SDK for JavaScript: round trips, paginators, modelled errors, credentials.
//
//     node check.mjs http://127.0.0.1:4566
//
// The emulator is reset and its rates are lifted first. The last line says `N passed, N failed`; any failure makes the exit
// code 1.

import assert from "node:assert/strict";

import * as logs from "@aws-sdk/client-cloudwatch-logs";
import * as sts from "@aws-sdk/client-sts";
import * as xray from "@aws-sdk/client-xray";
import { fromTemporaryCredentials } from "@aws-sdk/credential-providers";

const endpoint = process.argv[2] ?? "http://127.0.0.1:4566";
const credentials = { accessKeyId: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "secret" };

async function control(method, path, body) {
  const response = await fetch(`${endpoint}/_control/${path}`, { method, body: body && JSON.stringify(body) });
  assert.ok(response.ok, `${method} ${path}: ${response.status}`);
  return response.json();
}

const config = (more) => ({ endpoint, region: "us-east-1", credentials, maxAttempts: 1, ...more });
const x = (more) => new xray.XRayClient(config(more));
const l = (more) => new logs.CloudWatchLogsClient(config(more));
const s = (more) => new sts.STSClient(config(more));

const rule = {
  RuleName: "Cruddur",
  ResourceARN: "*",
  Priority: 9000,
  FixedRate: 0.1,
  ReservoirSize: 5,
  ServiceName: "backend-flask",
  ServiceType: "*",
  Host: "*",
  HTTPMethod: "*",
  URLPath: "*",
  Version: 1,
};

async function pages(paginator, items) {
  const sizes = [];
  for await (const page of paginator) sizes.push(items(page).length);
  return sizes;
}

const checks = {
  async "groups live and die"() {
    const client = x();
    const { Group: made } = await client.send(
      new xray.CreateGroupCommand({ GroupName: "Cruddur", FilterExpression: 'service("backend-flask")', Tags: [{ Key: "a", Value: "b" }] }),
    );
    assert.match(made.GroupARN, /^arn:aws:xray:us-east-1:123456789012:group\/Cruddur\/[A-Z2-7]+$/);
    assert.deepEqual((await client.send(new xray.GetGroupCommand({ GroupName: "Cruddur" }))).Group, made);
    assert.deepEqual((await client.send(new xray.ListTagsForResourceCommand({ ResourceARN: made.GroupARN }))).Tags, [{ Key: "a", Value: "b" }]);
    await client.send(new xray.DeleteGroupCommand({ GroupARN: made.GroupARN }));
    await assert.rejects(client.send(new xray.GetGroupCommand({ GroupName: "Cruddur" })), xray.InvalidRequestException);
  },

  async "rules live and die"() {
    const client = x();
    const { SamplingRuleRecord: made } = await client.send(new xray.CreateSamplingRuleCommand({ SamplingRule: rule }));
    assert.ok(Math.abs(made.CreatedAt - Date.now()) < 60_000, `${made.CreatedAt} is a date of today`);
    const { SamplingRuleRecord: changed } = await client.send(
      new xray.UpdateSamplingRuleCommand({ SamplingRuleUpdate: { RuleARN: made.SamplingRule.RuleARN, FixedRate: 0.5 } }),
    );
    assert.deepEqual(changed.SamplingRule, { ...made.SamplingRule, FixedRate: 0.5 });
    await client.send(new xray.DeleteSamplingRuleCommand({ RuleName: "Cruddur" }));
    for (let number = 0; number < 25; number++) {
      await client.send(new xray.CreateSamplingRuleCommand({ SamplingRule: { ...rule, RuleName: `r${number}` } }));
    }
    await assert.rejects(
      client.send(new xray.CreateSamplingRuleCommand({ SamplingRule: { ...rule, RuleName: "r25" } })),
      xray.RuleLimitExceededException,
    );
  },

  async "X-Ray lists page"() {
    await control("PUT", "limits", { "xray.pageSize": 10 });
    const client = x();
    for (let number = 0; number < 24; number++) await client.send(new xray.CreateGroupCommand({ GroupName: `g${number}` }));
    assert.deepEqual(await pages(xray.paginateGetGroups({ client }, {}), (page) => page.Groups), [10, 10, 5]);
    await control("PUT", "limits", { "xray.pageSize": 100 });
  },

  async "a trace is found again"() {
    const client = x();
    const now = Date.now() / 1000;
    const id = `1-${Math.floor(now).toString(16)}-${"a".repeat(24)}`;
    const document = { name: "backend-flask", id: "1".repeat(16), trace_id: id, start_time: now - 1, end_time: now, fault: true };
    const { UnprocessedTraceSegments } = await client.send(
      new xray.PutTraceSegmentsCommand({ TraceSegmentDocuments: [JSON.stringify(document), "{}"] }),
    );
    assert.equal(UnprocessedTraceSegments.length, 1);
    const range = { StartTime: new Date((now - 60) * 1000), EndTime: new Date((now + 60) * 1000) };
    const { TraceSummaries } = await client.send(new xray.GetTraceSummariesCommand({ ...range, FilterExpression: "fault" }));
    assert.deepEqual(TraceSummaries.map((summary) => summary.Id), [id]);
    const { Traces } = await client.send(new xray.BatchGetTracesCommand({ TraceIds: [id] }));
    assert.equal(JSON.parse(Traces[0].Segments[0].Document).name, "backend-flask");
    const { Services } = await client.send(new xray.GetServiceGraphCommand(range));
    assert.deepEqual(Services.map((service) => service.Type ?? service.Name).sort(), ["backend-flask", "client"]);
    await assert.rejects(client.send(new xray.ListTagsForResourceCommand({ ResourceARN: "arn:aws:xray:us-east-1:123456789012:group/a/B" })), (error) => {
      assert.ok(error instanceof xray.ResourceNotFoundException);
      return error.$metadata.httpStatusCode === 404 && error.$fault === "client";
    });
  },

  async "log groups live and die"() {
    const client = l();
    const logGroupName = "cruddur";
    await client.send(new logs.CreateLogGroupCommand({ logGroupName, tags: { a: "b" } }));
    await assert.rejects(client.send(new logs.CreateLogGroupCommand({ logGroupName })), logs.ResourceAlreadyExistsException);
    await client.send(new logs.PutRetentionPolicyCommand({ logGroupName, retentionInDays: 7 }));
    await assert.rejects(client.send(new logs.PutRetentionPolicyCommand({ logGroupName, retentionInDays: 6 })), logs.InvalidParameterException);
    const { logGroups } = await client.send(new logs.DescribeLogGroupsCommand({ logGroupIdentifiers: [logGroupName] }));
    assert.equal(logGroups[0].retentionInDays, 7);
    const resourceArn = logGroups[0].logGroupArn;
    assert.deepEqual((await client.send(new logs.ListTagsForResourceCommand({ resourceArn }))).tags, { a: "b" });
    await client.send(new logs.PutLogGroupDeletionProtectionCommand({ logGroupIdentifier: logGroupName, deletionProtectionEnabled: true }));
    await assert.rejects(client.send(new logs.DeleteLogGroupCommand({ logGroupName })), logs.ValidationException);
    await client.send(new logs.PutLogGroupDeletionProtectionCommand({ logGroupIdentifier: logGroupName, deletionProtectionEnabled: false }));
    await client.send(new logs.DeleteLogGroupCommand({ logGroupName }));
    await assert.rejects(client.send(new logs.DeleteLogGroupCommand({ logGroupName })), logs.ResourceNotFoundException);
  },

  async "log lists and events page"() {
    const client = l();
    for (let number = 0; number < 12; number++) await client.send(new logs.CreateLogGroupCommand({ logGroupName: `g${number}` }));
    assert.deepEqual(await pages(logs.paginateDescribeLogGroups({ client, pageSize: 5 }, {}), (page) => page.logGroups), [5, 5, 2]);
    const stream = { logGroupName: "g0", logStreamName: "s" };
    await client.send(new logs.CreateLogStreamCommand(stream));
    assert.deepEqual(await pages(logs.paginateDescribeLogStreams({ client }, { logGroupName: "g0" }), (page) => page.logStreams), [1]);
    const now = Date.now();
    const logEvents = [...Array(25)].map((_, number) => ({ timestamp: now + number, message: `{"n":${number}}` }));
    const { rejectedLogEventsInfo } = await client.send(
      new logs.PutLogEventsCommand({ ...stream, logEvents: [{ timestamp: now - 15 * 24 * 3600_000, message: "old" }, ...logEvents] }),
    );
    assert.deepEqual(rejectedLogEventsInfo, { tooOldLogEventEndIndex: 1 });
    const filter = { logGroupName: "g0", filterPattern: "{ $.n >= 5 }" };
    assert.deepEqual(await pages(logs.paginateFilterLogEvents({ client, pageSize: 8 }, filter), (page) => page.events), [8, 8, 4]);
    const read = logs.paginateGetLogEvents({ client, pageSize: 10, stopOnSameToken: true }, { ...stream, startFromHead: true });
    assert.deepEqual(await pages(read, (page) => page.events), [10, 10, 5, 0]);
  },

  async "roles are assumed and sessions end"() {
    await control("PUT", "accounts", [{ accessKeyId: credentials.accessKeyId, accountId: "111111111111" }]);
    const role = "arn:aws:iam::222222222222:role/tracewright";
    const assumed = fromTemporaryCredentials({
      masterCredentials: credentials,
      params: { RoleArn: role, RoleSessionName: "check" },
      clientConfig: { endpoint, region: "us-east-1" },
    });
    assert.equal((await s().send(new sts.GetCallerIdentityCommand({}))).Account, "111111111111");
    assert.equal((await s({ credentials: assumed }).send(new sts.GetCallerIdentityCommand({}))).Account, "222222222222");
    const { Group } = await x({ credentials: assumed }).send(new xray.CreateGroupCommand({ GroupName: "theirs" }));
    assert.match(Group.GroupARN, /:222222222222:/);
    const { Credentials } = await s().send(new sts.AssumeRoleCommand({ RoleArn: role, RoleSessionName: "check" }));
    assert.ok(Math.abs(Credentials.Expiration - Date.now() - 3600_000) < 60_000, `${Credentials.Expiration} is in an hour`);
    const stranger = { accessKeyId: "AKIASTRANGER", secretAccessKey: "x" };
    await assert.rejects(s({ credentials: stranger }).send(new sts.GetCallerIdentityCommand({})), { name: "InvalidClientTokenId" });
    await assert.rejects(x({ credentials: stranger }).send(new xray.GetGroupsCommand({})), { name: "UnrecognizedClientException" });
    await assert.rejects(l({ credentials: stranger }).send(new logs.DescribeLogGroupsCommand({})), { name: "UnrecognizedClientException" });
    await assert.rejects(s().send(new sts.AssumeRoleCommand({ RoleArn: role, RoleSessionName: "check", Policy: "{" })), sts.MalformedPolicyDocumentException);
  },

  async "throttled calls are retried by the SDK"() {
    await control("POST", "faults", { operation: "xray.GetGroups", kind: "throttle", times: 2 });
    await control("POST", "faults", { operation: "logs.DescribeLogGroups", kind: "throttle", times: 2 });
    await x({ maxAttempts: 3 }).send(new xray.GetGroupsCommand({}));
    await l({ maxAttempts: 3 }).send(new logs.DescribeLogGroupsCommand({}));
    await control("POST", "faults", { operation: "xray.GetGroups", kind: "throttle", times: 1 });
    await assert.rejects(x().send(new xray.GetGroupsCommand({})), xray.ThrottledException);
  },
};

let failed = 0;
for (const [name, check] of Object.entries(checks)) {
  try {
    await control("POST", "reset");
    await control("PUT", "limits", { "*": { tps: 100000, burst: 100000 } });
    await control("PUT", "accounts", [{ accessKeyId: credentials.accessKeyId, accountId: "123456789012" }]);
    await check();
    console.log(`ok     ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED ${name}\n`, error);
  }
}
console.log(`${Object.keys(checks).length - failed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
