//! Certificates and keys in all the forms that they come in.

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256};
use zloop_tls::{ClientSettings, Identity, Roots, ServerSettings, SettingsError, Verification};

use crate::bench::{Node, Pair};
use crate::certificates::{AUTHORITY, HOST, server_settings};

/// The contents of the octet string in a PKCS#8 key: the same key in the older form.
fn inner_key(pkcs8: &[u8]) -> Vec<u8> {
    // A length is one byte, or the number of bytes that it takes with the highest bit set.
    fn value(der: &[u8]) -> (&[u8], &[u8]) {
        let (len, start) = match der[1] {
            short @ 0..=0x7f => (usize::from(short), 2),
            long => {
                let bytes = usize::from(long & 0x7f);
                let len = der[2..2 + bytes]
                    .iter()
                    .fold(0, |len, byte| len << 8 | usize::from(*byte));
                (len, 2 + bytes)
            }
        };
        (&der[start..start + len], &der[start + len..])
    }
    let (sequence, _) = value(pkcs8);
    let (_version, rest) = value(sequence);
    let (_algorithm, rest) = value(rest);
    assert_eq!(rest[0], 4, "an octet string");
    value(rest).0.to_vec()
}

fn pem(label: &str, der: &[u8]) -> String {
    let item = match label {
        "RSA PRIVATE KEY" | "EC PRIVATE KEY" | "PRIVATE KEY" => der,
        other => panic!("unexpected label {other}"),
    };
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut body = String::new();
    for group in item.chunks(3) {
        let mut bytes = [0; 4];
        bytes[1..=group.len()].copy_from_slice(group);
        let bits = u32::from_be_bytes(bytes);
        for place in 0..4 {
            if place <= group.len() {
                body.push(char::from(
                    ALPHABET[(bits >> (18 - 6 * place)) as usize & 63],
                ));
            } else {
                body.push('=');
            }
        }
        if body.len() % 65 == 64 {
            body.push('\n');
        }
    }
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        body.trim_end()
    )
}

fn serves(identity: Identity) {
    let server = ServerSettings {
        identities: vec![identity],
        ..ServerSettings::default()
    };
    let client = ClientSettings {
        verification: Verification::None,
        ..ClientSettings::default()
    };
    let mut pair = Pair::new(
        Node::new(client.build().unwrap().connect(HOST).unwrap()),
        Node::new(server.build().unwrap().accept().unwrap()),
    );
    pair.run();
    assert!(pair.client.is_connected() && pair.server.is_connected());
}

#[test]
fn keys_of_every_kind_and_form_serve() {
    for (algorithm, label) in [
        (&PKCS_ECDSA_P256_SHA256, Some("EC PRIVATE KEY")),
        (&PKCS_RSA_SHA256, Some("RSA PRIVATE KEY")),
        (&PKCS_ED25519, None),
    ] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let params = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
        let chain = params.self_signed(&key).unwrap().pem();
        let pkcs8 = key.serialize_pem();
        serves(Identity::from_pem(chain.as_bytes(), pkcs8.as_bytes()).unwrap());
        if let Some(label) = label {
            let older = pem(label, &inner_key(&key.serialize_der()));
            serves(Identity::from_pem(chain.as_bytes(), older.as_bytes()).unwrap());
        }
        let both = format!("some text\n{pkcs8}more text\n{chain}");
        serves(Identity::from_pem(both.as_bytes(), both.as_bytes()).unwrap());
    }
}

#[test]
fn what_is_missing_or_unreadable_is_named() {
    let (chain, key) = AUTHORITY.issue_pem(HOST, |_| ());
    let (chain, key) = (chain.as_bytes(), key.as_bytes());
    let refuses = |chain: &[u8], key: &[u8]| Identity::from_pem(chain, key).unwrap_err();
    assert!(matches!(refuses(b"", key), SettingsError::NoCertificate));
    assert!(matches!(refuses(key, key), SettingsError::NoCertificate));
    assert!(matches!(refuses(chain, b""), SettingsError::NoPrivateKey));
    assert!(matches!(refuses(chain, chain), SettingsError::NoPrivateKey));
    assert!(matches!(
        refuses(
            b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
            key
        ),
        SettingsError::Pem(_)
    ));
    assert!(matches!(
        refuses(b"-----BEGIN CERTIFICATE-----\nAAAA\n", key),
        SettingsError::Pem(_)
    ));
    for encrypted in [
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
    ] {
        let error = refuses(chain, encrypted.as_bytes());
        assert!(matches!(error, SettingsError::EncryptedPrivateKey));
    }
}

#[test]
fn a_key_that_is_no_key_is_refused_when_settings_are_built() {
    let (chain, _) = AUTHORITY.issue_pem(HOST, |_| ());
    let key = pem("PRIVATE KEY", &[1, 2, 3]);
    let identity = Identity::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
    let settings = ServerSettings {
        identities: vec![identity],
        ..ServerSettings::default()
    };
    assert!(matches!(
        settings.build(),
        Err(SettingsError::PrivateKey(_))
    ));
}

#[test]
fn a_server_needs_an_identity() {
    assert!(matches!(
        ServerSettings::default().build(),
        Err(SettingsError::NoIdentity)
    ));
}

#[test]
fn files_are_read_and_named_if_they_cannot_be() {
    let folder = std::env::temp_dir().join(format!("zloop-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (chain, key) = AUTHORITY.issue_pem(HOST, |_| ());
    let (chain_file, key_file) = (folder.join("chain.pem"), folder.join("key.pem"));
    std::fs::write(&chain_file, chain).unwrap();
    std::fs::write(&key_file, key).unwrap();
    serves(Identity::from_files(&chain_file, &key_file).unwrap());
    assert_eq!(Roots::from_file(&chain_file).unwrap().len(), 1);

    let missing = folder.join("missing.pem");
    let error = Identity::from_files(&chain_file, &missing).unwrap_err();
    assert!(matches!(&error, SettingsError::File { path, .. } if *path == missing));
    assert!(error.to_string().contains("missing.pem"));

    let error = Identity::from_files(&key_file, &key_file).unwrap_err();
    assert!(matches!(&error, SettingsError::InFile { path, .. } if *path == key_file));
    assert!(error.to_string().ends_with("key.pem: no certificate found"));
    let error = Identity::from_files(&chain_file, &chain_file).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("chain.pem: no private key found")
    );
    let error = Roots::from_file(&key_file).unwrap_err();
    assert!(error.to_string().ends_with("key.pem: no certificate found"));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn roots_are_counted_and_have_to_be_certificates() {
    let mut roots = Roots::none();
    assert!(roots.is_empty());
    let two = AUTHORITY.pem.repeat(2);
    assert_eq!(roots.add_pem(two.as_bytes()).unwrap(), 2);
    assert!(matches!(
        roots.add_pem(b"nothing"),
        Err(SettingsError::NoCertificate)
    ));
    assert!(matches!(
        roots.add_der(vec![1, 2, 3]),
        Err(SettingsError::Certificate(_))
    ));
    let der = rustls_pemfile::certs(&mut AUTHORITY.pem.as_bytes())
        .next()
        .unwrap()
        .unwrap();
    roots.add_der(der.to_vec()).unwrap();
    assert_eq!(roots.len(), 3);
}

#[test]
fn settings_do_not_show_keys() {
    let shown = format!("{:?}", server_settings());
    assert!(
        shown.contains("Identity") && !shown.contains("key"),
        "{shown}"
    );
}
