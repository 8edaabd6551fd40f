//! What a path of certificates has to be beyond signed, as OpenSSL has it.

use std::time::SystemTime;

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
};
use zloop_tls::{ClientSettings, Identity, Roots, RustlsError, ServerSettings};

use crate::bench::{Node, Pair};
use crate::certificates::{HOST, client_settings, server_settings};

type Change = fn(&mut CertificateParams);

/// A trusted authority, one that it vouches for, and a server's certificate by that one.
#[derive(Clone, Copy)]
struct Path {
    root: Change,
    between: Change,
    leaf: Change,
}

/// As a careful authority makes it: nothing wrong in the strictest reading.
const GOOD: Path = Path {
    root: |_| (),
    between: |_| (),
    leaf: |_| (),
};

struct Made {
    root: String,
    chain: String,
    key: String,
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.use_authority_key_identifier_extension = true;
    params
}

impl Path {
    fn make(self) -> Made {
        let [root_key, between_key, key] = [(); 3].map(|()| KeyPair::generate().unwrap());
        let mut root = authority("root");
        (self.root)(&mut root);
        let root_pem = root.self_signed(&root_key).unwrap().pem();
        let root = Issuer::new(root, root_key);
        let mut between = authority("between");
        (self.between)(&mut between);
        let between_pem = between.signed_by(&between_key, &root).unwrap().pem();
        let between = Issuer::new(between, between_key);
        let mut leaf = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
        leaf.distinguished_name.push(DnType::CommonName, HOST);
        leaf.use_authority_key_identifier_extension = true;
        (self.leaf)(&mut leaf);
        let leaf = leaf.signed_by(&key, &between).unwrap().pem();
        Made {
            root: root_pem,
            chain: leaf + &between_pem,
            key: key.serialize_pem(),
        }
    }

    /// OpenSSL's code for what is wrong, to a client that is strict or not.
    fn judge(self, strict: bool) -> Option<u32> {
        let made = self.make();
        let client = ClientSettings {
            roots: Roots::from_pem(made.root.as_bytes()).unwrap(),
            strict_certificates: strict,
            ..client_settings()
        };
        let identity = Identity::from_pem(made.chain.as_bytes(), made.key.as_bytes()).unwrap();
        let server = ServerSettings {
            identities: vec![identity],
            ..server_settings()
        };
        let mut pair = Pair::new(
            Node::new(client.build().unwrap().connect(HOST).unwrap()),
            Node::new(server.build().unwrap().accept().unwrap()),
        );
        pair.run();
        if pair.client.is_connected() {
            return None;
        }
        match pair.client.engine_error() {
            RustlsError::Certificate(error) => Some(error.code()),
            other => panic!("not about the certificate: {other:?}"),
        }
    }
}

fn add(params: &mut CertificateParams, identifier: &[u64], der: Vec<u8>) {
    let extension = CustomExtension::from_oid_content(identifier, der);
    params.custom_extensions.push(extension);
}

#[test]
fn a_path_by_the_book_is_believed() {
    assert_eq!(GOOD.judge(false), None);
    assert_eq!(GOOD.judge(true), None);
}

#[test]
fn an_authority_that_may_not_sign_vouches_for_nobody() {
    let forbids: Change = |params| params.key_usages = vec![KeyUsagePurpose::CrlSign];
    let root = Path {
        root: forbids,
        ..GOOD
    };
    let between = Path {
        between: forbids,
        ..GOOD
    };
    assert_eq!(root.judge(false), Some(79));
    assert_eq!(between.judge(false), Some(79));
    let silent: Change = |params| params.key_usages.clear();
    let between = Path {
        between: silent,
        ..GOOD
    };
    assert_eq!(between.judge(false), None);
    assert_eq!(between.judge(true), Some(92));
}

#[test]
fn a_trusted_authoritys_own_limits_count() {
    let alone = Path {
        root: |params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)),
        ..GOOD
    };
    assert_eq!(alone.judge(false), Some(25));
    let one = Path {
        root: |params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1)),
        ..GOOD
    };
    assert_eq!(one.judge(false), None);
    let for_clients = Path {
        root: |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
        ..GOOD
    };
    assert_eq!(for_clients.judge(false), Some(26));
}

#[test]
fn a_servers_key_has_to_be_for_servers() {
    let signs_mail = Path {
        leaf: |params| params.key_usages = vec![KeyUsagePurpose::ContentCommitment],
        ..GOOD
    };
    assert_eq!(signs_mail.judge(false), Some(26));
    let signs = Path {
        leaf: |params| params.key_usages = vec![KeyUsagePurpose::DigitalSignature],
        ..GOOD
    };
    assert_eq!(signs.judge(false), None);
    let old_type = Path {
        // A bit string of one bit: SSL clients.
        leaf: |params| {
            let oid = [2, 16, 840, 1, 113_730, 1, 1];
            add(params, &oid, vec![3, 2, 7, 0x80]);
        },
        ..GOOD
    };
    assert_eq!(old_type.judge(false), Some(26));
}

#[test]
fn key_identifiers_have_to_fit() {
    let other = Path {
        leaf: |params| {
            params.use_authority_key_identifier_extension = false;
            let id = vec![0x30, 6, 0x80, 4, 1, 2, 3, 4];
            add(params, &[2, 5, 29, 35], id);
        },
        ..GOOD
    };
    assert_eq!(other.judge(false), Some(20));
    let none = Path {
        leaf: |params| params.use_authority_key_identifier_extension = false,
        ..GOOD
    };
    assert_eq!(none.judge(false), None);
    assert_eq!(none.judge(true), Some(85));
}

#[test]
fn strictly_only_authorities_sign() {
    let leaf = Path {
        leaf: |params| {
            params.key_usages = vec![
                KeyUsagePurpose::DigitalSignature,
                KeyUsagePurpose::KeyCertSign,
            ];
        },
        ..GOOD
    };
    assert_eq!(leaf.judge(false), None);
    assert_eq!(leaf.judge(true), Some(82));
}

#[test]
fn a_common_name_does_not_get_around_constraints_of_names() {
    fn constrains(params: &mut CertificateParams) {
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName("test".into())],
            excluded_subtrees: Vec::new(),
        });
    }
    let named = Path {
        between: constrains,
        ..GOOD
    };
    assert_eq!(named.judge(false), None);
    let unnamed = Path {
        leaf: |params| {
            params.subject_alt_names.clear();
        },
        ..named
    };
    assert_eq!(unnamed.judge(false), Some(47));
}

#[test]
fn the_path_can_be_had() {
    let made = GOOD.make();
    let der = |pem: &str| -> Vec<Vec<u8>> {
        rustls_pemfile::certs(&mut pem.as_bytes())
            .map(|certificate| certificate.unwrap().to_vec())
            .collect()
    };
    let client = ClientSettings {
        roots: Roots::from_pem(made.root.as_bytes()).unwrap(),
        ..client_settings()
    };
    let connector = client.build().unwrap();
    let shown = der(&made.chain);
    let now = SystemTime::now();
    assert_eq!(
        connector.verified_chain(&shown, now),
        Some([shown.clone(), der(&made.root)].concat())
    );
    assert_eq!(connector.verified_chain(&shown[..1], now), None);
    assert_eq!(connector.verified_chain(&[], now), None);
    assert_eq!(
        connector.verified_chain(&shown, SystemTime::UNIX_EPOCH),
        None
    );
}
