//! What the rules for paths look at in a certificate.

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::{
    OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER, OID_X509_EXT_BASIC_CONSTRAINTS, OID_X509_EXT_CERT_TYPE,
    OID_X509_EXT_EXTENDED_KEY_USAGE, OID_X509_EXT_KEY_USAGE, OID_X509_EXT_NAME_CONSTRAINTS,
    OID_X509_EXT_SUBJECT_ALT_NAME, OID_X509_EXT_SUBJECT_KEY_IDENTIFIER, Oid,
};
use x509_parser::prelude::{FromDer, X509Certificate, X509Extension, X509Version};

use super::path::Purpose;
use crate::engine::Refusal;

/// The extensions that a certificate is judged by, which have to be well-formed.
const JUDGED: [Oid<'static>; 8] = [
    OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER,
    OID_X509_EXT_BASIC_CONSTRAINTS,
    OID_X509_EXT_CERT_TYPE,
    OID_X509_EXT_EXTENDED_KEY_USAGE,
    OID_X509_EXT_KEY_USAGE,
    OID_X509_EXT_NAME_CONSTRAINTS,
    OID_X509_EXT_SUBJECT_ALT_NAME,
    OID_X509_EXT_SUBJECT_KEY_IDENTIFIER,
];

/// What a certificate says of itself.
pub(super) struct Facts<'a> {
    certificate: X509Certificate<'a>,
}

impl<'a> Facts<'a> {
    pub(super) fn of(certificate: &'a CertificateDer<'_>) -> Result<Self, Refusal> {
        let (_, certificate) =
            X509Certificate::from_der(certificate).map_err(|_| Refusal::Extension)?;
        let is_bad = |extension: &X509Extension<'_>| {
            extension.parsed_extension().error().is_some() && JUDGED.contains(&extension.oid)
        };
        if certificate.extensions().iter().any(is_bad) {
            return Err(Refusal::Extension);
        }
        Ok(Self { certificate })
    }

    /// What `pick` makes of the extension that it knows, and whether that is critical.
    fn extension<R>(&self, pick: impl Fn(&ParsedExtension<'a>) -> Option<R>) -> Option<(R, bool)> {
        self.certificate
            .extensions()
            .iter()
            .find_map(|extension| Some((pick(extension.parsed_extension())?, extension.critical)))
    }

    /// Whether it is an authority's, how many may stand below it, and whether that is critical.
    fn constraints(&self) -> Option<((bool, Option<u32>), bool)> {
        self.extension(|parsed| match parsed {
            ParsedExtension::BasicConstraints(found) => Some((found.ca, found.path_len_constraint)),
            _ => None,
        })
    }

    fn is_authority(&self) -> bool {
        self.constraints().is_some_and(|((ca, _), _)| ca)
    }

    /// How many authorities may stand between this one and the peer's own certificate.
    pub(super) fn path_length(&self) -> Option<u32> {
        self.constraints().and_then(|((_, length), _)| length)
    }

    fn usage(&self) -> Option<x509_parser::extensions::KeyUsage> {
        let found = self.extension(|parsed| match parsed {
            ParsedExtension::KeyUsage(usage) => Some(*usage),
            _ => None,
        });
        found.map(|(usage, _)| usage)
    }

    /// Whether its key may sign certificates, as far as it says.
    pub(super) fn may_sign(&self) -> bool {
        self.usage().is_none_or(|usage| usage.key_cert_sign())
    }

    pub(super) fn is_self_issued(&self) -> bool {
        self.certificate.subject() == self.certificate.issuer()
    }

    /// Whether it says nothing against being used for this, by the peer or by an authority.
    pub(super) fn is_for(&self, purpose: Purpose, by_authority: bool) -> bool {
        let purposes = self.extension(|parsed| match parsed {
            ParsedExtension::ExtendedKeyUsage(purposes) => Some(match purpose {
                Purpose::Server => purposes.server_auth,
                Purpose::Client => purposes.client_auth,
            }),
            _ => None,
        });
        if purposes.is_some_and(|(is_named, _)| !is_named) {
            return false;
        }
        if by_authority {
            return true;
        }
        let old_type = self.extension(|parsed| match parsed {
            ParsedExtension::NSCertType(kind) => Some(match purpose {
                Purpose::Server => kind.ssl_server(),
                Purpose::Client => kind.ssl_client(),
            }),
            _ => None,
        });
        let usage_fits = self.usage().is_none_or(|usage| {
            let signs = usage.digital_signature() || usage.key_agreement();
            signs || (purpose == Purpose::Server && usage.key_encipherment())
        });
        usage_fits && old_type.is_none_or(|(is_named, _)| is_named)
    }

    /// The identifier of its own key, and whether that is critical.
    fn key_id(&self) -> Option<(&'a [u8], bool)> {
        self.extension(|parsed| match parsed {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0),
            _ => None,
        })
    }

    /// The identifier and the serial number of its issuer's, and whether that is critical.
    #[expect(clippy::type_complexity)]
    fn issuer_id(&self) -> Option<((Option<&'a [u8]>, Option<&'a [u8]>), bool)> {
        self.extension(|parsed| match parsed {
            ParsedExtension::AuthorityKeyIdentifier(id) => Some((
                id.key_identifier.as_ref().map(|id| id.0),
                id.authority_cert_serial,
            )),
            _ => None,
        })
    }

    /// Whether it says nothing against that one being its issuer's.
    pub(super) fn may_be_issued_by(&self, issuer: &Self) -> bool {
        let Some(((key_id, serial), _)) = self.issuer_id() else {
            return true;
        };
        let key_fits = match (key_id, issuer.key_id()) {
            (Some(named), Some((own, _))) => named == own,
            _ => true,
        };
        key_fits && serial.is_none_or(|serial| serial == issuer.certificate.raw_serial())
    }

    pub(super) fn constrains_names(&self) -> bool {
        self.extension(|parsed| matches!(parsed, ParsedExtension::NameConstraints(_)).then_some(()))
            .is_some()
    }

    /// Its alternative names: their number, and whether a host's is among them.
    fn alternative_names(&self) -> Option<((usize, bool), bool)> {
        self.extension(|parsed| match parsed {
            ParsedExtension::SubjectAlternativeName(names) => {
                let names = &names.general_names;
                let has_host = names
                    .iter()
                    .any(|name| matches!(name, GeneralName::DNSName(_)));
                Some((names.len(), has_host))
            }
            _ => None,
        })
    }

    /// Whether only its common name could name a host.
    pub(super) fn has_host_as_common_name(&self) -> bool {
        let looks_like_host = |name: &str| {
            let is_part = |part: &str| {
                let mut characters = part.chars();
                !part.is_empty()
                    && characters.all(|each| each.is_ascii_alphanumeric() || "-_*".contains(each))
            };
            name.contains('.') && name.split('.').all(is_part)
        };
        !self
            .alternative_names()
            .is_some_and(|((_, has_host), _)| has_host)
            && self
                .certificate
                .subject()
                .iter_common_name()
                .any(|name| name.as_str().is_ok_and(looks_like_host))
    }

    /// What RFC 5280 forbids and OpenSSL minds only in its strict mode. `is_last` says that this
    /// is the trusted authority's.
    pub(super) fn check_strictly(&self, is_last: bool) -> Result<(), Refusal> {
        let forbid = |is_so, refusal| if is_so { Err(refusal) } else { Ok(()) };
        let certificate = &self.certificate;
        let is_authority = self.is_authority();
        let signs = self.usage().is_some_and(|usage| usage.key_cert_sign());
        if self.path_length().is_some() {
            forbid(!is_authority, Refusal::PathLengthOfNoAuthority)?;
            forbid(!signs, Refusal::PathLengthWithoutSigning)?;
        }
        let is_critical = self.constraints().is_none_or(|(_, critical)| critical);
        forbid(
            is_authority && !is_critical,
            Refusal::ConstraintsNotCritical,
        )?;
        let lacks_usage = is_authority && self.usage().is_none();
        forbid(lacks_usage, Refusal::AuthorityWithoutUsage)?;
        forbid(!is_authority && signs, Refusal::SigningByNoAuthority)?;
        let is_empty = certificate.subject().iter().next().is_none();
        forbid(
            certificate.issuer().iter().next().is_none(),
            Refusal::EmptyIssuer,
        )?;
        let names = self.alternative_names();
        let needs_subject =
            is_authority || names.is_none() || self.usage().is_some_and(|usage| usage.crl_sign());
        forbid(is_empty && needs_subject, Refusal::EmptySubject)?;
        if let Some(((count, _), critical)) = names {
            forbid(is_empty && !critical, Refusal::AlternativeNameNotCritical)?;
            forbid(count == 0, Refusal::NoAlternativeName)?;
        }
        let issuer_id = self.issuer_id();
        let is_critical = issuer_id.is_some_and(|(_, critical)| critical);
        forbid(is_critical, Refusal::AuthorityKeyIdCritical)?;
        let is_critical = self.key_id().is_some_and(|(_, critical)| critical);
        forbid(is_critical, Refusal::SubjectKeyIdCritical)?;
        if certificate.version() != X509Version::V3 {
            return forbid(!certificate.extensions().is_empty(), Refusal::OldVersion);
        }
        let names_issuer = issuer_id.is_some_and(|((id, _), _)| id.is_some());
        forbid(!is_last && !names_issuer, Refusal::NoAuthorityKeyId)?;
        let lacks_id = is_authority && self.key_id().is_none();
        forbid(lacks_id, Refusal::NoSubjectKeyId)
    }
}
