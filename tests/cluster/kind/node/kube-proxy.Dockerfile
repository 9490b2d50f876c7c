# kube-proxy with the iptables and nft programs that it calls, and their libraries.
FROM tracewright-kind-rootfs:bookworm AS userland
RUN mkdir /stage \
    && cp -a --parents /usr/sbin/*tables* /etc/alternatives/*tables* /usr/sbin/nft /usr/lib/*-linux-gnu/xtables /stage \
    && find /stage -type f -perm /111 -o -name '*.so' | xargs ldd 2>/dev/null \
        | awk '$NF ~ /^\(0x/ && $(NF-1) ~ /^\// {print $(NF-1)}' | sort -u | xargs cp -L --parents -t /stage

FROM scratch
COPY --from=userland /stage /
COPY kube-proxy /usr/local/bin/
