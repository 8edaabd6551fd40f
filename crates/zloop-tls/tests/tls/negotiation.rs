//! What the two sides agree on: certificate, application protocol, version, an earlier session.

use zloop_tls::{
    CipherPreference, ClientSettings, Connector, Identity, ServerSettings, SettingsError, Version,
};

use crate::bench::{Node, Note, Pair};
use crate::certificates::{AUTHORITY, HOST, client_settings, connector, server_settings};

fn meet(client: &ClientSettings, server: &ServerSettings) -> Pair<Node, Node> {
    let mut pair = Pair::new(
        Node::new(client.build().unwrap().connect(HOST).unwrap()),
        Node::new(server.build().unwrap().accept().unwrap()),
    );
    pair.run();
    pair
}

fn protocols(names: &[&str]) -> Vec<Vec<u8>> {
    names.iter().map(|name| name.as_bytes().to_vec()).collect()
}

#[test]
fn the_server_prefers_among_the_application_protocols_in_common() {
    let client = ClientSettings {
        alpn_protocols: protocols(&["http/1.1", "h2"]),
        ..client_settings()
    };
    let server = ServerSettings {
        alpn_protocols: protocols(&["h3", "h2", "http/1.1"]),
        ..server_settings()
    };
    let pair = meet(&client, &server);
    for node in [&pair.client, &pair.server] {
        assert_eq!(
            node.negotiated().alpn_protocol.as_deref(),
            Some(b"h2".as_slice())
        );
    }
}

#[test]
fn without_an_application_protocol_in_common_there_is_no_connection() {
    let client = ClientSettings {
        alpn_protocols: protocols(&["spdy"]),
        ..client_settings()
    };
    let server = ServerSettings {
        alpn_protocols: protocols(&["h2"]),
        ..server_settings()
    };
    let pair = meet(&client, &server);
    assert_eq!(
        pair.server.engine_error().reason(),
        "NO_APPLICATION_PROTOCOL"
    );
    assert_eq!(
        pair.client.engine_error().reason(),
        "TLSV1_ALERT_NO_APPLICATION_PROTOCOL"
    );
}

#[test]
fn a_side_that_knows_no_application_protocols_does_without() {
    let client = ClientSettings {
        alpn_protocols: protocols(&["h2"]),
        ..client_settings()
    };
    let pair = meet(&client, &server_settings());
    assert!(pair.client.is_connected());
    assert_eq!(pair.client.negotiated().alpn_protocol, None);
}

#[test]
fn each_name_gets_its_certificate_and_unknown_names_the_first() {
    let issue = |name: &str| AUTHORITY.issue_pem(name, |_| ());
    let pems = [issue("one.test"), issue("two.test"), issue("*.wild.test")];
    let identities = pems
        .iter()
        .map(|(chain, key)| Identity::from_pem(chain.as_bytes(), key.as_bytes()).unwrap())
        .collect();
    let acceptor = ServerSettings {
        identities,
        ..ServerSettings::default()
    }
    .build()
    .unwrap();
    let connector = ClientSettings {
        verification: zloop_tls::Verification::ChainOnly,
        ..client_settings()
    }
    .build()
    .unwrap();
    let shown_to = |name: Option<&str>| {
        let session = name.map_or_else(
            || connector.connect_unnamed(),
            |name| connector.connect(name),
        );
        let mut pair = Pair::new(
            Node::new(session.unwrap()),
            Node::new(acceptor.accept().unwrap()),
        );
        pair.run();
        assert!(pair.client.is_connected());
        let shown = pair.client.negotiated().peer_certificates;
        pems.iter()
            .position(|(pem, _)| {
                let certificate = rustls_pemfile::certs(&mut pem.as_bytes()).next().unwrap();
                certificate.unwrap().as_ref() == shown[0]
            })
            .unwrap()
    };
    assert_eq!(shown_to(Some("one.test")), 0);
    assert_eq!(shown_to(Some("two.test")), 1);
    assert_eq!(shown_to(Some("TWO.test")), 1);
    assert_eq!(shown_to(Some("any.wild.test")), 2);
    assert_eq!(shown_to(Some("other.test")), 0);
    assert_eq!(shown_to(Some("127.0.0.1")), 0);
    assert_eq!(shown_to(None), 0);
}

#[test]
fn a_name_is_needed_for_full_verification_and_has_to_be_one() {
    assert!(matches!(
        connector().connect_unnamed(),
        Err(SettingsError::ServerNameMissing)
    ));
    for bad in ["", "no spaces", "a..b", "-.test"] {
        let result = connector().connect(bad);
        assert!(matches!(result, Err(SettingsError::ServerName(name)) if name == bad));
    }
}

#[test]
fn versions_are_kept_to() {
    for version in [Version::Tls12, Version::Tls13] {
        let server = ServerSettings {
            versions: version..=version,
            ..server_settings()
        };
        let pair = meet(&client_settings(), &server);
        let name = if version == Version::Tls12 {
            "TLSv1.2"
        } else {
            "TLSv1.3"
        };
        assert_eq!(pair.client.negotiated().version.as_deref(), Some(name));
    }
    let pair = meet(&client_settings(), &server_settings());
    assert_eq!(pair.client.negotiated().version.as_deref(), Some("TLSv1.3"));
}

#[test]
fn a_range_without_versions_is_refused() {
    let versions = Version::Tls13..=Version::Tls12;
    let server = ServerSettings {
        versions: versions.clone(),
        ..server_settings()
    };
    assert!(matches!(server.build(), Err(SettingsError::NoVersion)));
    let client = ClientSettings {
        versions,
        ..client_settings()
    };
    assert!(matches!(client.build(), Err(SettingsError::NoVersion)));
}

#[test]
fn the_server_prefers_among_the_cipher_suites_in_common() {
    for (preference, bits) in [
        (CipherPreference::Speed, 128),
        (CipherPreference::Strength, 256),
    ] {
        for version in [Version::Tls12, Version::Tls13] {
            let server = ServerSettings {
                cipher_preference: preference,
                versions: version..=version,
                ..server_settings()
            };
            let pair = meet(&client_settings(), &server);
            assert_eq!(pair.client.negotiated().cipher.unwrap().secret_bits, bits);
        }
    }
}

/// Connects twice, and says whether each time was a resumption.
fn meet_twice(connector: &Connector, server: &ServerSettings) -> [bool; 2] {
    let acceptor = server.build().unwrap();
    [(); 2].map(|()| {
        let mut pair = Pair::new(
            Node::new(connector.connect(HOST).unwrap()),
            Node::new(acceptor.accept().unwrap()),
        );
        pair.run();
        pair.client.write(b"hello");
        pair.run();
        assert_eq!(pair.server.received, b"hello");
        let resumed = pair.client.negotiated().resumed;
        assert_eq!(pair.server.negotiated().resumed, resumed);
        assert!(!pair.client.negotiated().peer_certificates.is_empty());
        let now = pair.now;
        pair.client.connection.close(now);
        pair.run();
        assert_eq!(pair.client.outcome(), Some(&Note::Closed));
        resumed
    })
}

#[test]
fn a_session_is_taken_up_again_if_both_sides_want_to() {
    for version in [Version::Tls12, Version::Tls13] {
        let server = ServerSettings {
            versions: version..=version,
            ..server_settings()
        };
        assert_eq!(meet_twice(&connector(), &server), [false, true]);

        let forgetful = ClientSettings {
            resumption: false,
            ..client_settings()
        };
        assert_eq!(
            meet_twice(&forgetful.build().unwrap(), &server),
            [false, false]
        );

        let stingy = ServerSettings {
            session_tickets: 0,
            ..server
        };
        assert_eq!(meet_twice(&connector(), &stingy), [false, false]);
    }
}
