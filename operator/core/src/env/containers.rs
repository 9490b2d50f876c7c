//! Which containers of a pod receive the variables.

use tracewright_xray::contract::name::SIDECAR_CONTAINERS;

/// The containers, of those of a pod, that receive the variables: the ones that `spec.workloads.containers` names, or
/// all but well-known sidecars where it names none. Init containers are not asked for: they are never touched.
pub fn containers<'a>(
    named: Option<&'a [String]>,
    pod: impl IntoIterator<Item = &'a str>,
) -> impl Iterator<Item = &'a str> {
    pod.into_iter().filter(move |container| match named {
        Some(named) => named.iter().any(|name| name == container),
        None => !SIDECAR_CONTAINERS.contains(container),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sidecars_are_left_out_unless_they_are_named() {
        let pod = ["istio-proxy", "app", "worker"];
        assert_eq!(containers(None, pod).collect::<Vec<_>>(), ["app", "worker"]);
        let named = ["istio-proxy".to_owned(), "absent".to_owned()];
        assert_eq!(
            containers(Some(&named), pod).collect::<Vec<_>>(),
            ["istio-proxy"]
        );
    }

    #[test]
    fn every_well_known_sidecar_is_left_out() {
        assert_eq!(
            containers(None, SIDECAR_CONTAINERS.iter().copied()).count(),
            0
        );
    }
}
