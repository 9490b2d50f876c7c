// Drives the emulator with the unmodified AWS SDK for Go v2: round trips, paginators, modelled errors, credentials.
//
//	go run . http://127.0.0.1:4566
//
// The emulator is reset and its rates are lifted first. The last line says `N passed, N failed`; any failure makes the exit
// code 1.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	logs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/xray"
	xraytypes "github.com/aws/aws-sdk-go-v2/service/xray/types"
	"github.com/aws/smithy-go"
)

const key = "AKIAIOSFODNN7EXAMPLE"

var (
	endpoint = "http://127.0.0.1:4566"
	ctx      = context.Background()
)

// must ends a check with its error; the loop in main recovers.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func equal(found, expected any) {
	if !reflect.DeepEqual(found, expected) {
		panic(fmt.Sprintf("%v is not %v", found, expected))
	}
}

// refused ends a check unless err is the modelled error E.
func refused[E error](_ any, err error) E {
	var modelled E
	if !errors.As(err, &modelled) {
		panic(fmt.Sprintf("%v is not %T", err, modelled))
	}
	return modelled
}

func coded(code string, err error) {
	var found smithy.APIError
	if !errors.As(err, &found) || found.ErrorCode() != code {
		panic(fmt.Sprintf("%v is not %s", err, code))
	}
}

func control(method, path string, body any) {
	request := must(http.NewRequest(method, endpoint+"/_control/"+path, bytes.NewReader(must(json.Marshal(body)))))
	response := must(http.DefaultClient.Do(request))
	defer response.Body.Close()
	equal(response.StatusCode, http.StatusOK)
}

func config(provider aws.CredentialsProvider) aws.Config {
	return aws.Config{
		Region:           "us-east-1",
		BaseEndpoint:     aws.String(endpoint),
		Credentials:      provider,
		RetryMaxAttempts: 1,
	}
}

func as(accessKey string) aws.Config {
	return config(credentials.NewStaticCredentialsProvider(accessKey, "secret", ""))
}

func rule(name string) *xraytypes.SamplingRule {
	any := aws.String("*")
	return &xraytypes.SamplingRule{
		RuleName: aws.String(name), ResourceARN: any, Priority: aws.Int32(9000), FixedRate: 0.1, ReservoirSize: 5,
		ServiceName: aws.String("backend-flask"), ServiceType: any, Host: any, HTTPMethod: any, URLPath: any, Version: aws.Int32(1),
	}
}

func groups() {
	client := xray.NewFromConfig(as(key))
	made := must(client.CreateGroup(ctx, &xray.CreateGroupInput{
		GroupName: aws.String("Cruddur"), FilterExpression: aws.String(`service("backend-flask")`),
		Tags: []xraytypes.Tag{{Key: aws.String("a"), Value: aws.String("b")}},
	})).Group
	equal(must(client.GetGroup(ctx, &xray.GetGroupInput{GroupName: aws.String("Cruddur")})).Group, made)
	tags := must(client.ListTagsForResource(ctx, &xray.ListTagsForResourceInput{ResourceARN: made.GroupARN})).Tags
	equal(*tags[0].Value, "b")
	must(client.DeleteGroup(ctx, &xray.DeleteGroupInput{GroupARN: made.GroupARN}))
	refused[*xraytypes.InvalidRequestException](client.GetGroup(ctx, &xray.GetGroupInput{GroupName: aws.String("Cruddur")}))
	refused[*xraytypes.ResourceNotFoundException](client.ListTagsForResource(ctx, &xray.ListTagsForResourceInput{ResourceARN: made.GroupARN}))
}

func rules() {
	client := xray.NewFromConfig(as(key))
	made := must(client.CreateSamplingRule(ctx, &xray.CreateSamplingRuleInput{SamplingRule: rule("Cruddur")})).SamplingRuleRecord
	if age := time.Since(*made.CreatedAt); age > time.Minute || age < -time.Minute {
		panic(fmt.Sprintf("created %v ago", age))
	}
	changed := must(client.UpdateSamplingRule(ctx, &xray.UpdateSamplingRuleInput{
		SamplingRuleUpdate: &xraytypes.SamplingRuleUpdate{RuleARN: made.SamplingRule.RuleARN, FixedRate: aws.Float64(0.5)},
	})).SamplingRuleRecord.SamplingRule
	expected := *made.SamplingRule
	expected.FixedRate = 0.5
	equal(*changed, expected)
	for number := range 24 {
		must(client.CreateSamplingRule(ctx, &xray.CreateSamplingRuleInput{SamplingRule: rule(fmt.Sprintf("r%d", number))}))
	}
	refused[*xraytypes.RuleLimitExceededException](client.CreateSamplingRule(ctx, &xray.CreateSamplingRuleInput{SamplingRule: rule("r24")}))
	control("PUT", "limits", map[string]any{"xray.pageSize": 10})
	defer control("PUT", "limits", map[string]any{"xray.pageSize": 100})
	var sizes []int
	for pages := xray.NewGetSamplingRulesPaginator(client, nil); pages.HasMorePages(); {
		sizes = append(sizes, len(must(pages.NextPage(ctx)).SamplingRuleRecords))
	}
	equal(sizes, []int{10, 10, 6})
}

func traces() {
	client := xray.NewFromConfig(as(key))
	now := time.Now()
	id := fmt.Sprintf("1-%08x-%s", now.Unix(), strings.Repeat("a", 24))
	seconds := float64(now.UnixMilli()) / 1000
	document := must(json.Marshal(map[string]any{
		"name": "backend-flask", "id": strings.Repeat("1", 16), "trace_id": id, "start_time": seconds - 1, "end_time": seconds, "fault": true,
	}))
	put := must(client.PutTraceSegments(ctx, &xray.PutTraceSegmentsInput{TraceSegmentDocuments: []string{string(document), "{}"}}))
	equal(len(put.UnprocessedTraceSegments), 1)
	start, end := aws.Time(now.Add(-time.Minute)), aws.Time(now.Add(time.Minute))
	pages := xray.NewGetTraceSummariesPaginator(client, &xray.GetTraceSummariesInput{StartTime: start, EndTime: end, FilterExpression: aws.String("fault")})
	equal(*must(pages.NextPage(ctx)).TraceSummaries[0].Id, id)
	got := must(client.BatchGetTraces(ctx, &xray.BatchGetTracesInput{TraceIds: []string{id}}))
	equal(*got.Traces[0].Segments[0].Id, strings.Repeat("1", 16))
	equal(len(must(client.GetServiceGraph(ctx, &xray.GetServiceGraphInput{StartTime: start, EndTime: end})).Services), 2)
}

func logGroups() {
	client := logs.NewFromConfig(as(key))
	name := aws.String("cruddur")
	must(client.CreateLogGroup(ctx, &logs.CreateLogGroupInput{LogGroupName: name, Tags: map[string]string{"a": "b"}}))
	refused[*logstypes.ResourceAlreadyExistsException](client.CreateLogGroup(ctx, &logs.CreateLogGroupInput{LogGroupName: name}))
	must(client.PutRetentionPolicy(ctx, &logs.PutRetentionPolicyInput{LogGroupName: name, RetentionInDays: aws.Int32(7)}))
	refused[*logstypes.InvalidParameterException](client.PutRetentionPolicy(ctx, &logs.PutRetentionPolicyInput{LogGroupName: name, RetentionInDays: aws.Int32(6)}))
	found := must(client.DescribeLogGroups(ctx, &logs.DescribeLogGroupsInput{LogGroupIdentifiers: []string{"cruddur"}})).LogGroups[0]
	equal(*found.RetentionInDays, int32(7))
	equal(found.LogGroupClass, logstypes.LogGroupClassStandard)
	equal(must(client.ListTagsForResource(ctx, &logs.ListTagsForResourceInput{ResourceArn: found.LogGroupArn})).Tags, map[string]string{"a": "b"})
	must(client.DeleteLogGroup(ctx, &logs.DeleteLogGroupInput{LogGroupName: name}))
	refused[*logstypes.ResourceNotFoundException](client.DeleteLogGroup(ctx, &logs.DeleteLogGroupInput{LogGroupName: name}))
}

func logEvents() {
	client := logs.NewFromConfig(as(key))
	for number := range 12 {
		must(client.CreateLogGroup(ctx, &logs.CreateLogGroupInput{LogGroupName: aws.String(fmt.Sprintf("g%d", number))}))
	}
	var sizes []int
	for pages := logs.NewDescribeLogGroupsPaginator(client, &logs.DescribeLogGroupsInput{Limit: aws.Int32(5)}); pages.HasMorePages(); {
		sizes = append(sizes, len(must(pages.NextPage(ctx)).LogGroups))
	}
	equal(sizes, []int{5, 5, 2})
	group, stream := aws.String("g0"), aws.String("s")
	must(client.CreateLogStream(ctx, &logs.CreateLogStreamInput{LogGroupName: group, LogStreamName: stream}))
	now := time.Now().UnixMilli()
	events := []logstypes.InputLogEvent{{Timestamp: aws.Int64(now - 15*24*3600_000), Message: aws.String("old")}}
	for number := range int64(25) {
		events = append(events, logstypes.InputLogEvent{Timestamp: aws.Int64(now + number), Message: aws.String(fmt.Sprintf(`{"n":%d}`, number))})
	}
	put := must(client.PutLogEvents(ctx, &logs.PutLogEventsInput{LogGroupName: group, LogStreamName: stream, LogEvents: events}))
	equal(*put.RejectedLogEventsInfo.TooOldLogEventEndIndex, int32(1))
	sizes = nil
	filter := &logs.FilterLogEventsInput{LogGroupName: group, FilterPattern: aws.String("{ $.n >= 5 }"), Limit: aws.Int32(8)}
	for pages := logs.NewFilterLogEventsPaginator(client, filter); pages.HasMorePages(); {
		sizes = append(sizes, len(must(pages.NextPage(ctx)).Events))
	}
	equal(sizes, []int{8, 8, 4})
	sizes = nil
	read := &logs.GetLogEventsInput{LogGroupName: group, LogStreamName: stream, StartFromHead: aws.Bool(true), Limit: aws.Int32(10)}
	stop := func(options *logs.GetLogEventsPaginatorOptions) { options.StopOnDuplicateToken = true }
	for pages := logs.NewGetLogEventsPaginator(client, read, stop); pages.HasMorePages(); {
		sizes = append(sizes, len(must(pages.NextPage(ctx)).Events))
	}
	equal(sizes, []int{10, 10, 5, 0})
}

func identities() {
	control("PUT", "accounts", []map[string]string{{"accessKeyId": key, "accountId": "111111111111"}})
	client := sts.NewFromConfig(as(key))
	equal(*must(client.GetCallerIdentity(ctx, nil)).Account, "111111111111")
	assumed := config(stscreds.NewAssumeRoleProvider(client, "arn:aws:iam::222222222222:role/tracewright"))
	equal(*must(sts.NewFromConfig(assumed).GetCallerIdentity(ctx, nil)).Account, "222222222222")
	group := must(xray.NewFromConfig(assumed).CreateGroup(ctx, &xray.CreateGroupInput{GroupName: aws.String("theirs")})).Group
	if !strings.Contains(*group.GroupARN, ":222222222222:") {
		panic(*group.GroupARN)
	}
	presigned := must(sts.NewPresignClient(client).PresignGetCallerIdentity(ctx, nil))
	response := must(http.Get(presigned.URL))
	equal(response.StatusCode, http.StatusOK)
	_, err := sts.NewFromConfig(as("AKIASTRANGER")).GetCallerIdentity(ctx, nil)
	coded("InvalidClientTokenId", err)
	_, err = xray.NewFromConfig(as("AKIASTRANGER")).GetGroups(ctx, nil)
	coded("UnrecognizedClientException", err)
	_, err = logs.NewFromConfig(as("AKIASTRANGER")).DescribeLogGroups(ctx, nil)
	coded("UnrecognizedClientException", err)
	_, err = xray.NewFromConfig(config(aws.AnonymousCredentials{})).GetGroups(ctx, nil)
	coded("MissingAuthenticationTokenException", err)
}

func throttling() {
	throttle := map[string]any{"operation": "*.*Groups", "kind": "throttle", "times": 4}
	control("POST", "faults", throttle)
	patient := as(key)
	patient.RetryMaxAttempts = 5
	must(xray.NewFromConfig(patient).GetGroups(ctx, nil))
	must(logs.NewFromConfig(patient).DescribeLogGroups(ctx, nil))
	control("POST", "faults", throttle)
	refused[*xraytypes.ThrottledException](xray.NewFromConfig(as(key)).GetGroups(ctx, nil))
}

func try(name string, check func()) (passed bool) {
	defer func() {
		if problem := recover(); problem != nil {
			fmt.Printf("FAILED %s\n%v\n", name, problem)
		}
	}()
	control("POST", "reset", nil)
	control("PUT", "limits", map[string]any{"*": map[string]any{"tps": 100000, "burst": 100000}})
	control("PUT", "accounts", []map[string]string{{"accessKeyId": key, "accountId": "123456789012"}})
	check()
	fmt.Printf("ok     %s\n", name)
	return true
}

func main() {
	if len(os.Args) > 1 {
		endpoint = strings.TrimSuffix(os.Args[1], "/")
	}
	passed, failed := 0, 0
	for _, check := range []struct {
		name string
		run  func()
	}{
		{"groups live and die", groups},
		{"rules live, die and page", rules},
		{"a trace is found again", traces},
		{"log groups live and die", logGroups},
		{"log lists and events page", logEvents},
		{"roles are assumed, strangers refused", identities},
		{"throttled calls are retried by the SDK", throttling},
	} {
		if try(check.name, check.run) {
			passed++
		} else {
			failed++
		}
	}
	fmt.Printf("%d passed, %d failed\n", passed, failed)
	if failed > 0 {
		os.Exit(1)
	}
}
