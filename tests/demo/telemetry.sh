# The demo's second half, sourced by demo.sh: traffic through a service that has the injected variables, and where its
# telemetry arrives. It needs what demo.sh has set up: the profile, control plane, emulator and operator.

telemetry_programs() {
  tests/cluster/build.sh collector | indented
  cargo build --locked --workspace --bin activities --bin demo-telemetry 2>&1 | indented
}

# What the collector is told: X-Ray's protocol on UDP and TCP of one port, passed on to AWS; OTLP on another, into a file.
collector_configuration() {
  cat <<YAML
receivers:
  awsxray:
    endpoint: 127.0.0.1:$1
    transport: udp
    proxy_server: {endpoint: 127.0.0.1:$1, aws_endpoint: $AWS_ENDPOINT_URL, region: us-east-1, local_mode: true}
  otlp: {protocols: {http: {endpoint: 127.0.0.1:$2}}}
exporters:
  awsxray: {endpoint: $AWS_ENDPOINT_URL, region: us-east-1, local_mode: true, no_verify_ssl: true}
  file: {path: $folder/spans.json, flush_interval: 100ms}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    traces/xray: {receivers: [awsxray], exporters: [awsxray]}
    traces/otlp: {receivers: [otlp], exporters: [file]}
YAML
}

telemetry_demo() {
  local xray otlp url trace
  heading 'Traffic: a receiver that runs here, and the profile pointed at it'
  { read -r xray && read -r otlp; } < <(demo-telemetry ports 2)
  collector_configuration "$xray" "$otlp" >"$folder/collector.yaml"
  start collector otelcol --config "$folder/collector.yaml"
  await 'an OpenTelemetry Collector takes X-Ray segments and OTLP' listens "$xray"
  listens "$otlp" || await 'both of its ports listen' listens "$otlp"
  cat >"$folder/overlay.yaml" <<YAML
spec:
  traces: {otlp: {endpoint: "http://127.0.0.1:$otlp"}}
  xray: {receiver: {daemon: null, external: {address: "127.0.0.1:$xray"}}}
YAML
  say 'An overlay of the example:'
  indented <"$folder/overlay.yaml"
  show kubectl patch obsp cruddur --type merge --patch-file "$folder/overlay.yaml"
  await 'the Deployment has the new address' injected "AWS_XRAY_DAEMON_ADDRESS=127.0.0.1:$xray"
  kubectl rollout status deployment/backend-flask --timeout "${patience}s" >/dev/null

  heading 'The activities service runs with exactly these variables'
  say 'Pods are simulated, so the process runs here. Its variables are read from the API server, and fieldRefs, secretKeyRefs' \
    'and $(NAME) are resolved as a kubelet would. What an image and a node would give comes on top: LISTEN_ADDRESS, and' \
    'endpoint and credentials of AWS.'
  demo-telemetry run --namespace cruddur --deployment backend-flask --print | indented
  LISTEN_ADDRESS=127.0.0.1:0 start activities demo-telemetry run --namespace cruddur --deployment backend-flask \
    --pass LISTEN_ADDRESS,AWS_ENDPOINT_URL,AWS_ACCESS_KEY_ID,AWS_SECRET_ACCESS_KEY -- "$(command -v activities)"
  await 'it listens' grep -q 'listening on' "$folder/activities.log"
  url=http://$(sed -n 's/.*listening on //p' "$folder/activities.log" | head -n 1)
  await 'it has the sampling rules, through the receiver' metric "$url" sampler_central 1

  heading 'One request'
  # The rule's reservoir takes the first request of a second.
  say "$dim\$ curl -i $url/api/activities/home$plain   (shortened)"
  demo-telemetry get "$url/api/activities/home" >"$folder/home"
  cut -c -160 "$folder/home" | indented
  trace=$(sed -n 's/^X-Amzn-Trace-Id: Root=//p' "$folder/home")
  say '' 'What Honeycomb counts, COUNT by trace.trace_id (this OTLP receiver stands for it); two spans are one request:'
  await 'the spans have arrived' arrived "$trace"
  demo-telemetry count "$folder/spans.json" | indented
  say '' 'The same trace in X-Ray:'
  await 'the trace is there' demo-telemetry trace "$trace"
  demo-telemetry trace "$trace" | indented
  say '' "X-Ray's service graph:"
  demo-telemetry graph | indented
  say '' 'Its log lines in the log group cruddur:'
  await 'the log event is there' demo-telemetry logs cruddur "$trace"
  demo-telemetry logs cruddur "$trace" | indented
  [ "$(demo-telemetry count "$folder/spans.json" | awk -v id="${trace:2:8}${trace:11}" '$1 == id { print $2 }')" = 2 ] ||
    fail 'the trace has two spans'
  kill "${pids[activities]}" && unset 'pids[activities]'
}

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

injected() { demo-telemetry run --namespace cruddur --deployment backend-flask --print | grep -qxF "$1"; }

metric() { demo-telemetry get "$1/metrics" | grep -qxF "tracewright_telemetry_$2 $3"; }

arrived() { demo-telemetry count "$folder/spans.json" | grep -q "^${1:2:8}${1:11} *2 "; }
