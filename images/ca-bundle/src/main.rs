//! Prints Mozilla's root certificates as PEM: the images' `/etc/ssl/certs/ca-certificates.crt`. Pinned in `Cargo.lock`, so
//! that the images do not depend on the machine that builds them.

use std::io::{self, BufWriter, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Characters per line. (RFC 7468, 2.)
const LINE: usize = 64;

fn main() -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for certificate in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        writeln!(out, "-----BEGIN CERTIFICATE-----")?;
        for line in STANDARD.encode(certificate).as_bytes().chunks(LINE) {
            out.write_all(line)?;
            writeln!(out)?;
        }
        writeln!(out, "-----END CERTIFICATE-----")?;
    }
    out.flush()
}
