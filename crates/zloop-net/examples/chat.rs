//! A chat over TLS: what somebody says, all others hear. `docs/embedding.md` builds it step by step.
//!
//! `cargo run --example chat -p zloop-net --features tls -- server.pem server.key 8443`
//!
//! Then talk to it with `openssl s_client -quiet -connect localhost:8443`.

use std::collections::HashMap;
use std::error::Error;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use zloop_core::{TimerKey, Token};
use zloop_net::{Driver, FlowEvent, Handler, tcp};
use zloop_tls::{Identity, Options, ServerSettings};

const LONGEST_LINE: usize = 1000;
const LONGEST_SILENCE: Duration = Duration::from_secs(600);

struct Member {
    name: String,
    /// The start of a line whose end has not come.
    line: Vec<u8>,
    silence: TimerKey,
}

#[derive(Default)]
struct Chat {
    members: HashMap<Token, Member>,
    guests: u32,
}

impl Chat {
    fn tell_others(&self, driver: &mut Driver<Self>, speaker: Token, text: &str) {
        for member in self.members.keys().filter(|member| **member != speaker) {
            // It fails for a member who is leaving.
            let _ = driver.write(*member, format!("{text}\n"));
        }
    }

    fn hear_line(&mut self, driver: &mut Driver<Self>, speaker: Token, line: &str) {
        let Some(member) = self.members.get_mut(&speaker) else {
            return;
        };
        if line == "/quit" {
            driver.close(speaker);
        } else if let Some(name) = line.strip_prefix("/name ") {
            let before = std::mem::replace(&mut member.name, name.to_owned());
            self.tell_others(driver, speaker, &format!("* {before} is now {name}"));
        } else {
            let text = format!("{}: {line}", member.name);
            self.tell_others(driver, speaker, &text);
        }
    }
}

fn silence_timer(driver: &mut Driver<Chat>, member: Token) -> TimerKey {
    driver.call_later(LONGEST_SILENCE, move |_, driver| {
        let _ = driver.write(member, "* you were silent for too long\n");
        driver.close(member);
    })
}

impl Handler for Chat {
    fn connected(&mut self, driver: &mut Driver<Self>, connection: Token) {
        self.guests += 1;
        let name = format!("guest {}", self.guests);
        self.tell_others(driver, connection, &format!("* {name} joined"));
        let _ = driver.write(connection, format!("* welcome, {name}\n"));
        let member = Member {
            name,
            line: Vec::new(),
            silence: silence_timer(driver, connection),
        };
        self.members.insert(connection, member);
    }

    fn received(&mut self, driver: &mut Driver<Self>, connection: Token, bytes: &[u8]) {
        let Some(member) = self.members.get_mut(&connection) else {
            return;
        };
        driver.cancel(member.silence);
        member.silence = silence_timer(driver, connection);
        member.line.extend_from_slice(bytes);

        let Some(end) = member.line.iter().rposition(|byte| *byte == b'\n') else {
            if member.line.len() > LONGEST_LINE {
                driver.abort(connection);
            }
            return;
        };
        let rest = member.line.split_off(end + 1);
        let lines = std::mem::replace(&mut member.line, rest);
        for line in String::from_utf8_lossy(&lines).lines() {
            self.hear_line(driver, connection, line.trim_end());
        }
    }

    fn flow(&mut self, driver: &mut Driver<Self>, connection: Token, event: FlowEvent) {
        // A chat cannot ask its members to wait for one who does not read.
        if event == FlowEvent::PauseWriting {
            driver.abort(connection);
        }
    }

    fn closed(
        &mut self,
        driver: &mut Driver<Self>,
        connection: Token,
        _: Option<zloop_net::Error>,
    ) {
        if let Some(member) = self.members.remove(&connection) {
            driver.cancel(member.silence);
            self.tell_others(driver, connection, &format!("* {} left", member.name));
        }
    }

    fn accept_failed(&mut self, _: &mut Driver<Self>, _: Token, error: zloop_net::Error) {
        eprintln!("{error} (the fault is the {:?}'s)", error.fault());
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [chain, key, port] = arguments.as_slice() else {
        return Err("usage: chat CHAIN_FILE KEY_FILE PORT".into());
    };
    let acceptor = ServerSettings {
        identities: vec![Identity::from_files(chain, key)?],
        ..ServerSettings::default()
    }
    .build()?;

    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse()?));
    let listener = tcp::listen(address, &tcp::ListenOptions::default())?;
    println!("listening on {}", tcp::local_address(&listener)?);
    io::stdout().flush()?;

    let mut driver = Driver::new()?;
    driver.listen_tls(listener, acceptor, Options::default())?;

    // What is typed here, everybody hears.
    let remote = driver.remote();
    std::thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            remote.call_soon(move |chat: &mut Chat, driver| {
                for member in chat.members.keys() {
                    let _ = driver.write(*member, format!("! {line}\n"));
                }
            });
        }
    });
    Ok(driver.run(&mut Chat::default())?)
}
