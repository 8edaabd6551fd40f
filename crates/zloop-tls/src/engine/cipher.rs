//! Cipher suites under the names that OpenSSL gives them.

use rustls::{CipherSuite, SupportedCipherSuite};

use crate::Cipher;

pub(super) fn describe(suite: SupportedCipherSuite) -> Cipher {
    let (name, secret_bits) = match suite.suite() {
        CipherSuite::TLS13_AES_256_GCM_SHA384 => ("TLS_AES_256_GCM_SHA384", 256),
        CipherSuite::TLS13_AES_128_GCM_SHA256 => ("TLS_AES_128_GCM_SHA256", 128),
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => ("TLS_CHACHA20_POLY1305_SHA256", 256),
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => {
            ("ECDHE-ECDSA-AES256-GCM-SHA384", 256)
        }
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => {
            ("ECDHE-ECDSA-AES128-GCM-SHA256", 128)
        }
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => {
            ("ECDHE-ECDSA-CHACHA20-POLY1305", 256)
        }
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => ("ECDHE-RSA-AES256-GCM-SHA384", 256),
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => ("ECDHE-RSA-AES128-GCM-SHA256", 128),
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => {
            ("ECDHE-RSA-CHACHA20-POLY1305", 256)
        }
        other => {
            return Cipher {
                name: format!("{other:?}"),
                version: version(suite),
                secret_bits: 0,
            };
        }
    };
    Cipher {
        name: name.into(),
        version: version(suite),
        secret_bits,
    }
}

fn version(suite: SupportedCipherSuite) -> String {
    super::version_name(suite.version().version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_every_suite_that_can_be_negotiated() {
        for suite in rustls::crypto::aws_lc_rs::ALL_CIPHER_SUITES {
            let cipher = describe(*suite);
            assert!(cipher.secret_bits >= 128, "{suite:?} has no name");
            assert!(["TLSv1.2", "TLSv1.3"].contains(&cipher.version.as_str()));
        }
    }
}
