//! Who is believed.

use zloop_tls::{
    ClientCertificates, ClientSettings, Fault, Identity, RustlsError, ServerSettings,
    SettingsError, Verification, Version,
};

use crate::bench::{Node, Note, Pair};
use crate::certificates::{
    AUTHORITY, Authority, CLIENT, HOST, STRANGER, client_settings, expired, not_yet_valid,
    only_for_clients, only_for_servers, self_signed_pem, server_settings,
};

const VERSIONS: [Version; 2] = [Version::Tls12, Version::Tls13];

fn meet(client: &ClientSettings, server: &ServerSettings, name: &str) -> Pair<Node, Node> {
    let mut pair = Pair::new(
        Node::new(client.build().unwrap().connect(name).unwrap()),
        Node::new(server.build().unwrap().accept().unwrap()),
    );
    pair.run();
    if pair.client.is_connected() {
        pair.client.write(b"hello");
        pair.run();
    }
    pair
}

/// How a client of each mode finds a server: OpenSSL's code and message, or nothing wrong.
fn judge(identity: &Identity, name: &str) -> [Option<(u32, String)>; 3] {
    [
        Verification::Full,
        Verification::ChainOnly,
        Verification::None,
    ]
    .map(|verification| {
        let [first, second] = VERSIONS.map(|version| {
            let client = ClientSettings {
                verification,
                versions: version..=version,
                ..client_settings()
            };
            let server = ServerSettings {
                identities: vec![identity.clone()],
                ..ServerSettings::default()
            };
            let pair = meet(&client, &server, name);
            if pair.client.error.is_none() {
                assert_eq!(pair.server.received, b"hello");
                return None;
            }
            assert!(matches!(
                pair.server.outcome(),
                Some(Note::Failed(Fault::Local, _))
            ));
            match pair.client.engine_error() {
                RustlsError::Certificate(error) => Some((error.code(), error.message().to_owned())),
                other => panic!("not about the certificate: {other:?}"),
            }
        });
        assert_eq!(first, second, "the version makes no difference");
        first
    })
}

fn wrong(code: u32, message: &str) -> Option<(u32, String)> {
    Some((code, message.to_owned()))
}

#[test]
fn a_good_certificate_is_believed() {
    assert_eq!(
        judge(&AUTHORITY.issue(HOST, |_| ()), HOST),
        [None, None, None]
    );
    assert_eq!(
        judge(&AUTHORITY.issue("*.some.test", |_| ()), "any.some.test"),
        [None, None, None]
    );
    assert_eq!(
        judge(&AUTHORITY.issue("127.0.0.1", |_| ()), "127.0.0.1"),
        [None, None, None]
    );
    assert_eq!(
        judge(&AUTHORITY.issue("::1", |_| ()), "::1"),
        [None, None, None]
    );
    assert_eq!(
        judge(&AUTHORITY.issue(HOST, only_for_servers), HOST),
        [None, None, None]
    );
}

#[test]
fn a_wrong_name_matters_only_in_full() {
    let mismatch = "Hostname mismatch, certificate is not valid for 'server.test'.";
    let identity = AUTHORITY.issue("other.test", |_| ());
    assert_eq!(judge(&identity, HOST), [wrong(62, mismatch), None, None]);
    let mismatch = "IP address mismatch, certificate is not valid for '10.0.0.1'.";
    assert_eq!(
        judge(&identity, "10.0.0.1"),
        [wrong(64, mismatch), None, None]
    );
}

#[test]
fn an_expired_certificate_is_not_believed() {
    let error = wrong(10, "certificate has expired");
    assert_eq!(
        judge(&AUTHORITY.issue(HOST, expired), HOST),
        [error.clone(), error, None]
    );
    let error = wrong(9, "certificate is not yet valid");
    assert_eq!(
        judge(&AUTHORITY.issue(HOST, not_yet_valid), HOST),
        [error.clone(), error, None]
    );
}

#[test]
fn a_certificate_for_something_else_is_not_believed() {
    let error = wrong(26, "unsuitable certificate purpose");
    assert_eq!(
        judge(&AUTHORITY.issue(HOST, only_for_clients), HOST),
        [error.clone(), error, None]
    );
}

#[test]
fn an_unknown_authority_is_not_believed_whether_it_is_shown_or_not() {
    let error = wrong(20, "unable to get local issuer certificate");
    assert_eq!(
        judge(&STRANGER.issue(HOST, |_| ()), HOST),
        [error.clone(), error, None]
    );

    let (chain, key) = STRANGER.issue_pem(HOST, |_| ());
    let with_authority = format!("{chain}{}", STRANGER.pem);
    let identity = Identity::from_pem(with_authority.as_bytes(), key.as_bytes()).unwrap();
    let error = wrong(19, "self-signed certificate in certificate chain");
    assert_eq!(judge(&identity, HOST), [error.clone(), error, None]);
}

#[test]
fn who_has_only_an_authoritys_name_is_nobody_known() {
    let namesake = Authority::with_other_key("trusted authority");
    let error = wrong(20, "unable to get local issuer certificate");
    let [known, ..] = judge(&namesake.issue(HOST, |_| ()), HOST);
    assert_eq!(known, error);
}

#[test]
fn a_self_signed_certificate_is_believed_only_if_it_is_trusted_itself() {
    let (chain, key) = self_signed_pem(HOST);
    let identity = Identity::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
    let error = wrong(18, "self-signed certificate");
    assert_eq!(judge(&identity, HOST), [error.clone(), error, None]);

    let mut client = client_settings();
    client.roots.add_pem(chain.as_bytes()).unwrap();
    let server = ServerSettings {
        identities: vec![identity],
        ..ServerSettings::default()
    };
    assert!(meet(&client, &server, HOST).client.is_connected());
}

#[test]
fn an_authority_is_not_a_server() {
    let authority = |params: &mut rcgen::CertificateParams| {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    };
    let error = "the certificate of a certificate authority, which may not be a peer's own";
    let error = wrong(1, error);
    assert_eq!(
        judge(&AUTHORITY.issue(HOST, authority), HOST),
        [error.clone(), error, None]
    );
}

#[test]
fn a_client_that_trusts_nobody_believes_nobody() {
    let client = ClientSettings::default();
    let pair = meet(&client, &server_settings(), HOST);
    assert_eq!(
        pair.client.engine_error().reason(),
        "CERTIFICATE_VERIFY_FAILED"
    );
    assert_eq!(pair.client.engine_error().fault(), Fault::Peer);
}

#[test]
fn a_certificate_is_worth_nothing_without_its_key() {
    // A server that shows somebody else's certificate, by a configuration that rustls lets pass.
    let (chain, _) = AUTHORITY.issue_pem(HOST, |_| ());
    let (_, key) = AUTHORITY.issue_pem(HOST, |_| ());
    let result = Identity::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
    let settings = ServerSettings {
        identities: vec![result],
        ..ServerSettings::default()
    };
    assert!(matches!(settings.build(), Err(SettingsError::KeyMismatch)));

    let certified = rustls::sign::CertifiedKey::new(
        rustls_pemfile::certs(&mut chain.as_bytes())
            .map(Result::unwrap)
            .collect(),
        rustls::crypto::aws_lc_rs::sign::any_supported_type(
            &rustls_pemfile::private_key(&mut key.as_bytes())
                .unwrap()
                .unwrap(),
        )
        .unwrap(),
    );
    let config = rustls::ServerConfig::builder_with_provider(std::sync::Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_cert_resolver(std::sync::Arc::new(rustls::sign::SingleCertAndKey::from(
        certified,
    )));
    let acceptor = zloop_tls::Acceptor::from(std::sync::Arc::new(config));
    for verification in [Verification::Full, Verification::None] {
        let client = ClientSettings {
            verification,
            ..client_settings()
        };
        let mut pair = Pair::new(
            Node::new(client.build().unwrap().connect(HOST).unwrap()),
            Node::new(acceptor.accept().unwrap()),
        );
        pair.run();
        assert!(matches!(
            pair.client.outcome(),
            Some(Note::Failed(Fault::Peer, _))
        ));
    }
}

fn asking(client_certificates: ClientCertificates, version: Version) -> ServerSettings {
    ServerSettings {
        client_certificates,
        roots: AUTHORITY.roots(),
        versions: version..=version,
        ..server_settings()
    }
}

fn showing(identity: Option<Identity>) -> ClientSettings {
    ClientSettings {
        identity,
        ..client_settings()
    }
}

#[test]
fn a_required_client_certificate_is_required() {
    for version in VERSIONS {
        let server = asking(ClientCertificates::Required, version);
        let pair = meet(&showing(Some(CLIENT.clone())), &server, HOST);
        assert_eq!(pair.server.received, b"hello");
        assert_eq!(pair.server.negotiated().peer_certificates.len(), 1);

        let pair = meet(&showing(None), &server, HOST);
        assert!(pair.server.received.is_empty());
        assert_eq!(
            pair.server.engine_error().reason(),
            "PEER_DID_NOT_RETURN_A_CERTIFICATE"
        );
        assert_eq!(
            pair.client.engine_error().fault(),
            Fault::Local,
            "{version:?}"
        );
    }
}

#[test]
fn an_optional_client_certificate_may_be_left_out() {
    for version in VERSIONS {
        let server = asking(ClientCertificates::Optional, version);
        let pair = meet(&showing(Some(CLIENT.clone())), &server, HOST);
        assert_eq!(pair.server.negotiated().peer_certificates.len(), 1);
        let pair = meet(&showing(None), &server, HOST);
        assert_eq!(pair.server.received, b"hello");
        assert!(pair.server.negotiated().peer_certificates.is_empty());
    }
}

#[test]
fn an_ignored_client_certificate_is_not_asked_for() {
    for version in VERSIONS {
        let server = asking(ClientCertificates::Ignored, version);
        let pair = meet(&showing(Some(CLIENT.clone())), &server, HOST);
        assert_eq!(pair.server.received, b"hello");
        assert!(pair.server.negotiated().peer_certificates.is_empty());
    }
}

#[test]
fn a_client_certificate_that_is_shown_has_to_be_good() {
    let bad = [
        (STRANGER.issue("client.test", |_| ()), 20),
        (AUTHORITY.issue("client.test", expired), 10),
        (AUTHORITY.issue("client.test", not_yet_valid), 9),
        (AUTHORITY.issue("client.test", only_for_servers), 26),
        (
            {
                let (chain, key) = self_signed_pem("client.test");
                Identity::from_pem(chain.as_bytes(), key.as_bytes()).unwrap()
            },
            // A client shows only what the authorities that the server names have signed; rustls
            // shows what it has, and is told why not.
            18,
        ),
    ];
    for version in VERSIONS {
        for asked in [ClientCertificates::Optional, ClientCertificates::Required] {
            for (identity, code) in &bad {
                let server = asking(asked, version);
                let pair = meet(&showing(Some(identity.clone())), &server, HOST);
                assert!(pair.server.received.is_empty());
                let RustlsError::Certificate(error) = pair.server.engine_error() else {
                    panic!("not about the certificate: {:?}", pair.server.error);
                };
                assert_eq!(error.code(), *code);
                assert_eq!(pair.client.engine_error().fault(), Fault::Local);
            }
        }
    }
}

#[test]
fn asking_for_client_certificates_needs_somebody_to_trust() {
    let settings = ServerSettings {
        client_certificates: ClientCertificates::Optional,
        ..server_settings()
    };
    assert!(matches!(settings.build(), Err(SettingsError::NoRoots)));
}
