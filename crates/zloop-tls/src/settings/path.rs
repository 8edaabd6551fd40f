//! Paths from a peer's certificate to a trusted authority: webpki's judgement, and what OpenSSL
//! asks for beyond it.
//!
//! webpki does not look at `keyUsage`, at what a trusted authority's certificate says of its own
//! limits, at key identifiers, or at Netscape's old certificate types.

use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{CertificateError, Error};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};

use super::Roots;
use super::facts::Facts;
use crate::engine::Refusal;

/// What a certificate is shown for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Server,
    Client,
}

/// Finds paths, and judges them.
#[derive(Debug)]
pub(super) struct PathVerifier {
    roots: Roots,
    algorithms: WebPkiSupportedAlgorithms,
    strict: bool,
}

impl PathVerifier {
    pub(super) fn new(roots: Roots, provider: &CryptoProvider, strict: bool) -> Self {
        Self {
            roots,
            algorithms: provider.signature_verification_algorithms,
            strict,
        }
    }

    pub(super) fn roots(&self) -> &Roots {
        &self.roots
    }

    pub(super) fn algorithms(&self) -> &WebPkiSupportedAlgorithms {
        &self.algorithms
    }

    /// Verifies that a path leads from a certificate to a trusted authority.
    ///
    /// `name_failure` verifies once more without the rules of this module, to have rustls's name
    /// for what webpki found wrong.
    pub(super) fn verify(
        &self,
        purpose: Purpose,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        name_failure: impl FnOnce() -> Result<(), Error>,
    ) -> Result<(), Error> {
        match self.find(purpose, end_entity, intermediates, now, |_| ()) {
            Ok(()) => Ok(()),
            Err(Some(refusal)) => Err(refusal.into()),
            Err(None) => {
                name_failure()?;
                Err(CertificateError::ApplicationVerificationFailure.into())
            }
        }
    }

    /// The path that the certificates lead, in DER, if there is one.
    pub(super) fn chain(
        &self,
        purpose: Purpose,
        certificates: &[Vec<u8>],
        at: SystemTime,
    ) -> Option<Vec<Vec<u8>>> {
        let certificates: Vec<_> = certificates
            .iter()
            .map(|certificate| CertificateDer::from(certificate.as_slice()))
            .collect();
        let (end_entity, intermediates) = certificates.split_first()?;
        let now = UnixTime::since_unix_epoch(at.duration_since(UNIX_EPOCH).ok()?);
        self.find(purpose, end_entity, intermediates, now, |path| {
            self.certificates(path)
                .iter()
                .map(|certificate| certificate.to_vec())
                .collect()
        })
        .ok()
    }

    /// Finds a path that webpki and the rules accept. Says which rule refused one, if any did.
    fn find<R>(
        &self,
        purpose: Purpose,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        found: impl FnOnce(&VerifiedPath<'_>) -> R,
    ) -> Result<R, Option<Refusal>> {
        let refused = Cell::new(None);
        let check = |path: &VerifiedPath<'_>| {
            self.check(purpose, path).map_err(|refusal| {
                refused.set(Some(refusal));
                // Any error has it look for another path.
                webpki::Error::UnknownIssuer
            })
        };
        let usage = match purpose {
            Purpose::Server => KeyUsage::server_auth(),
            Purpose::Client => KeyUsage::client_auth(),
        };
        let roots = self.roots.store();
        let certificate = EndEntityCert::try_from(end_entity).map_err(|_| None)?;
        certificate
            .verify_for_usage(
                self.algorithms.all,
                &roots.roots,
                intermediates,
                now,
                usage,
                None,
                Some(&check),
            )
            .map(|path| found(&path))
            .map_err(|_| refused.take())
    }

    /// A path's certificates, the peer's own first, the trusted authority's last.
    fn certificates<'p>(&'p self, path: &'p VerifiedPath<'p>) -> Vec<CertificateDer<'p>> {
        let mut certificates = vec![path.end_entity().der()];
        certificates.extend(path.intermediate_certificates().map(|each| each.der()));
        certificates.extend(self.roots.certificate_of(path.anchor()).cloned());
        // A certificate that is trusted itself vouches for itself.
        certificates.dedup();
        certificates
    }

    fn check(&self, purpose: Purpose, path: &VerifiedPath<'_>) -> Result<(), Refusal> {
        let certificates = self.certificates(path);
        let facts = certificates
            .iter()
            .map(Facts::of)
            .collect::<Result<Vec<_>, _>>()?;
        for pair in facts.windows(2) {
            if !pair[0].may_be_issued_by(&pair[1]) {
                return Err(Refusal::Issuer);
            }
            if !pair[1].may_sign() {
                return Err(Refusal::InvalidAuthority);
            }
        }
        let mut below = 0;
        for (depth, each) in facts.iter().enumerate() {
            let by_authority = depth > 0;
            if !each.is_for(purpose, by_authority) {
                return Err(Refusal::Purpose);
            }
            if self.strict && facts.len() > 1 {
                each.check_strictly(depth + 1 == facts.len())?;
            }
            if by_authority {
                if each.path_length().is_some_and(|most| below > most) {
                    return Err(Refusal::PathLength);
                }
                below += u32::from(!each.is_self_issued());
            }
        }
        let constrains_names = facts.iter().any(Facts::constrains_names);
        if constrains_names && facts.first().is_some_and(Facts::has_host_as_common_name) {
            return Err(Refusal::Name);
        }
        Ok(())
    }
}
