//! `OTEL_TRACES_SAMPLER` and its argument.

use super::*;

#[test]
fn otel_traces_sampler() {
    let sampler = |variables: &[(&str, &str)]| obeyed(variables).sampler;
    for (value, argument, parent_based, root) in [
        ("always_on", "", false, Root::AlwaysOn),
        ("always_off", "", false, Root::AlwaysOff),
        ("traceidratio", "0.25", false, Root::Ratio(0.25)),
        ("parentbased_always_on", "", true, Root::AlwaysOn),
        ("ParentBased_Always_Off", "", true, Root::AlwaysOff),
        ("parentbased_traceidratio", "", true, Root::Ratio(1.0)),
    ] {
        let variables = [
            ("OTEL_TRACES_SAMPLER", value),
            ("OTEL_TRACES_SAMPLER_ARG", argument),
        ];
        assert_eq!(sampler(&variables), Sampler { parent_based, root });
    }
    for value in [
        "jaeger_remote",
        "parentbased_jaeger_remote",
        "parentbased_xray",
    ] {
        assert_eq!(
            refused(&[("OTEL_TRACES_SAMPLER", value)]).0.sampler,
            Sampler::DEFAULT,
            "{value}"
        );
    }
    for argument in ["2", "x", "NaN"] {
        let (settings, problem) = refused(&[
            ("OTEL_TRACES_SAMPLER", "traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", argument),
        ]);
        assert_eq!(settings.sampler.root, Root::Ratio(1.0));
        assert_eq!(problem.variable, "OTEL_TRACES_SAMPLER_ARG");
    }
}

#[test]
fn otel_traces_sampler_xray() {
    let remote = |variables: &[(&str, &str)]| match obeyed(variables).sampler {
        Sampler {
            parent_based: true,
            root: Root::XRay(remote),
        } => (remote.endpoint, remote.polling_interval.as_secs()),
        other => panic!("{other:?}"),
    };
    let xray = ("OTEL_TRACES_SAMPLER", "xray");
    assert_eq!(remote(&[xray]), ("http://127.0.0.1:2000".into(), 300));
    assert_eq!(
        remote(&[xray, ("AWS_XRAY_DAEMON_ADDRESS", "tcp:t:1 udp:u:2")]),
        ("http://t:1".into(), 300)
    );
    let argument = |value| ("OTEL_TRACES_SAMPLER_ARG", value);
    assert_eq!(
        remote(&[
            xray,
            argument("endpoint=http://cruddur-xray:2000,polling_interval=60")
        ]),
        ("http://cruddur-xray:2000".into(), 60)
    );
    assert_eq!(
        remote(&[xray, argument("polling_interval=9")]).1,
        300,
        "less than ten seconds is not obeyed"
    );
    for value in [
        "endpoint=cruddur:2000",
        "polling_interval=x",
        "polling_interval=86401",
        "polling_interval=18446744073709551615",
        "rate=1",
        "300",
    ] {
        let (settings, _) = refused(&[xray, argument(value)]);
        assert!(matches!(settings.sampler.root, Root::XRay(_)), "{value}");
    }
}
