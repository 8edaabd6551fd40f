//! Requests, and the answers to them, without a loop or a socket.

const LONGEST_HEAD: usize = 16 * 1024;

/// What came of some bytes.
pub struct Answered {
    /// What to send.
    pub answers: Vec<u8>,
    /// How many bytes the answered requests took.
    pub used: usize,
    /// Whether there may be more requests.
    pub keeps_alive: bool,
}

/// What a request asks for, as far as this server cares.
struct Request<'a> {
    method: &'a str,
    target: &'a str,
    keeps_alive: bool,
    body_length: usize,
}

/// Answers the requests that are complete.
pub fn answer_all(bytes: &[u8]) -> Answered {
    let mut used = 0;
    let mut answers = Vec::new();
    let mut keeps_alive = true;
    while keeps_alive {
        let rest = &bytes[used..];
        let Some(end) = find(rest, b"\r\n\r\n") else {
            if rest.len() > LONGEST_HEAD {
                respond(
                    &mut answers,
                    "431 Request Header Fields Too Large",
                    "",
                    false,
                );
                keeps_alive = false;
            }
            break;
        };
        let Some(request) = std::str::from_utf8(&rest[..end]).ok().and_then(parse) else {
            respond(&mut answers, "400 Bad Request", "", false);
            keeps_alive = false;
            break;
        };
        let whole = (end + 4).saturating_add(request.body_length);
        if rest.len() < whole {
            break;
        }
        used += whole;
        keeps_alive = request.keeps_alive;
        match (request.method, request.target) {
            ("GET", "/") => respond(&mut answers, "200 OK", "hello\n", keeps_alive),
            ("POST", "/") => {
                let body = format!("{} bytes\n", request.body_length);
                respond(&mut answers, "200 OK", &body, keeps_alive);
            }
            _ => respond(&mut answers, "404 Not Found", "", keeps_alive),
        }
    }
    Answered {
        answers,
        used,
        keeps_alive,
    }
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

fn parse(head: &str) -> Option<Request<'_>> {
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let mut request = Request {
        method,
        target,
        keeps_alive: version == "HTTP/1.1",
        body_length: 0,
    };
    for line in lines {
        let (name, value) = line.split_once(':')?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            request.body_length = value.parse().ok()?;
        } else if name.eq_ignore_ascii_case("connection") {
            request.keeps_alive &= !value.eq_ignore_ascii_case("close");
            request.keeps_alive |= value.eq_ignore_ascii_case("keep-alive");
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            return None;
        }
    }
    Some(request)
}

fn respond(answers: &mut Vec<u8>, status: &str, body: &str, keeps_alive: bool) {
    let connection = if keeps_alive { "keep-alive" } else { "close" };
    answers.extend_from_slice(
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\
             connection: {connection}\r\n\r\n{body}",
            body.len()
        )
        .as_bytes(),
    );
}
