// Answers the cases in a file with the X-Ray SDK for Node.js; see generate.py.

const fs = require("node:fs");
const http = require("node:http");

const daemon = require("aws-xray-sdk-core/dist/lib/daemon_config");
const cache = require("aws-xray-sdk-core/dist/lib/middleware/sampling/rule_cache");
const connector = require("aws-xray-sdk-core/dist/lib/middleware/sampling/service_connector");
const { wildcardMatch } = require("aws-xray-sdk-core/dist/lib/utils");

const cases = JSON.parse(fs.readFileSync(process.argv[2]));

// The SDK's connector asks a daemon: this one.
let rules;
const server = http.createServer((_, response) => {
  response.end(JSON.stringify({ SamplingRuleRecords: rules.map((rule) => ({ SamplingRule: rule })) }));
});

server.listen(0, "127.0.0.1", async () => {
  daemon.setDaemonAddress(`127.0.0.1:${server.address().port}`);
  const answers = [];
  for (const one of cases.rules) {
    rules = one.rules;
    const loaded = await new Promise((resolve, reject) =>
      connector.fetchSamplingRules((error, fetched) => (error ? reject(error) : resolve(fetched))),
    );
    cache.loadRules(loaded);
    cache.timestamp(1);
    answers.push(
      one.requests.map(({ host, method, path, service, service_type }) =>
        cache.getMatchedRule({ host, httpMethod: method, urlPath: path, serviceName: service, serviceType: service_type }, 1).getName(),
      ),
    );
  }
  console.log(JSON.stringify({ wildcards: cases.wildcards.map(([pattern, text]) => wildcardMatch(pattern, text)), rules: answers }));
  server.close();
});
