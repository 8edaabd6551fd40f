//! The cryptography that a configuration uses.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};

/// Which of the cipher suites that both sides know is taken. All of them are strong; the choice
/// is a server's, and a client's if the server leaves it to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CipherPreference {
    /// AES with 128 bits first: faster, in handshakes too, for it goes with a hash that
    /// processors have instructions for.
    #[default]
    Speed,
    /// Suites with 256 bits first, as OpenSSL has it.
    Strength,
}

pub(super) fn provider(preference: CipherPreference) -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    #[cfg(feature = "ring")]
    if encrypts_faster_by_ring() {
        provider.cipher_suites = rustls::crypto::ring::DEFAULT_CIPHER_SUITES.to_vec();
    }
    if preference == CipherPreference::Speed {
        // The sort is stable, so that TLS 1.3's suites stay before TLS 1.2's of the same kind.
        provider.cipher_suites.sort_by_key(|suite| {
            use rustls::CipherSuite as S;
            !matches!(
                suite.suite(),
                S::TLS13_AES_128_GCM_SHA256
                    | S::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
                    | S::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
            )
        });
    }
    Arc::new(provider)
}

/// Whether the processor encrypts several AES blocks with one instruction and has no AVX-512: ring
/// uses what there is then, and aws-lc only the instructions for one block.
#[cfg(feature = "ring")]
fn encrypts_faster_by_ring() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("vaes")
        && is_x86_feature_detected!("vpclmulqdq")
        && is_x86_feature_detected!("avx2")
        && !is_x86_feature_detected!("avx512f");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

#[cfg(all(test, feature = "ring"))]
mod tests {
    use super::*;

    #[test]
    fn both_libraries_have_the_same_suites_in_the_same_order() {
        let suites = |suites: &[rustls::SupportedCipherSuite]| -> Vec<_> {
            suites.iter().map(|suite| suite.suite()).collect()
        };
        assert_eq!(
            suites(rustls::crypto::ring::DEFAULT_CIPHER_SUITES),
            suites(aws_lc_rs::DEFAULT_CIPHER_SUITES)
        );
    }
}
