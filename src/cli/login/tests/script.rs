//! A gateway of few words: an authorization server and a host in one, which answers by a script and remembers what it
//! heard.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What it does. Lists are used up from the front.
pub struct Scene {
    /// Errors that questions for tokens get before they are approved.
    pub polls: Vec<&'static str>,
    /// What a check is answered: status, challenge, body.
    pub checks: Vec<(u16, &'static str, &'static str)>,
    /// In place of the host's metadata.
    pub metadata: Option<(u16, String)>,
    /// Whether tokens can be bound.
    pub binds: bool,
    /// The kind of token that is granted where a key is proved.
    pub grants: &'static str,
    /// Whether proofs need a nonce.
    pub nonces: bool,
    /// The refresh token that is good.
    pub refresh: String,
    /// How often tokens were granted, and by a refresh token.
    pub granted: u32,
    pub refreshes: usize,
}

impl Default for Scene {
    fn default() -> Self {
        Scene {
            polls: Vec::new(),
            checks: Vec::new(),
            metadata: None,
            binds: true,
            grants: "DPoP",
            nonces: false,
            refresh: String::new(),
            granted: 0,
            refreshes: 0,
        }
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Heard {
    pub path: String,
    pub query: String,
    pub fields: HashMap<String, String>,
    pub form: HashMap<String, String>,
}

type Reply = (u16, Vec<(&'static str, String)>, String);

struct State {
    scene: Scene,
    heard: Vec<Heard>,
}

/// A running script. Its thread ends with the process.
pub struct Script {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Script {
    pub fn play(scene: Scene) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State { scene, heard: Vec::new() }));
        let (own, origin) = (state.clone(), origin(address));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = serve(stream, &own, &origin);
            }
        });
        Script { address, state }
    }

    pub fn origin(&self) -> String {
        origin(self.address)
    }

    pub fn with<T>(&self, change: impl FnOnce(&mut Scene) -> T) -> T {
        change(&mut self.state.lock().expect("no test panicked with it").scene)
    }

    pub fn heard(&self) -> Vec<Heard> {
        self.state.lock().expect("no test panicked with it").heard.clone()
    }

    pub fn paths(&self, path: &str) -> usize {
        self.heard().iter().filter(|heard| heard.path == path).count()
    }

    pub fn forms(&self, path: &str) -> Vec<HashMap<String, String>> {
        self.heard().into_iter().filter(|heard| heard.path == path).map(|heard| heard.form).collect()
    }

    pub fn refreshes(&self) -> usize {
        self.with(|scene| scene.refreshes)
    }

    pub fn proofs_used_twice(&self) -> usize {
        let heard = self.heard();
        let proofs: Vec<_> = heard.iter().filter_map(|heard| heard.fields.get("dpop")).collect();
        proofs.len() - proofs.iter().collect::<HashSet<_>>().len()
    }
}

fn origin(address: SocketAddr) -> String {
    format!("http://app.localhost:{}", address.port())
}

fn serve(stream: TcpStream, state: &Mutex<State>, origin: &str) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut fields = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        fields.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = fields.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let form = url::form_urlencoded::parse(&body).into_owned().collect();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let heard = Heard { path: path.to_owned(), query: query.to_owned(), fields, form };
    let (status, fields, body) = {
        let mut state = state.lock().expect("no test panicked with it");
        let reply = reply(&mut state.scene, &heard, origin);
        state.heard.push(heard);
        reply
    };
    let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!("HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {}\r\n{fields}\r\n", body.len());
    reader.get_mut().write_all(format!("{head}{body}").as_bytes())
}

fn json(value: &serde_json::Value) -> Reply {
    (200, Vec::new(), value.to_string())
}

fn error(word: &str) -> Reply {
    (400, Vec::new(), format!(r#"{{"error":"{word}"}}"#))
}

fn reply(scene: &mut Scene, heard: &Heard, origin: &str) -> Reply {
    let at = |path: &str| format!("{origin}{path}");
    if let Some(proof) = heard.fields.get("dpop").filter(|_| scene.nonces)
        && !claims(proof).contains("nonce-1")
    {
        let fields = vec![("DPoP-Nonce", "nonce-1".to_owned())];
        return match heard.path.starts_with("/.portcullis/") {
            true => (
                401,
                [fields, vec![("WWW-Authenticate", r#"DPoP error="use_dpop_nonce""#.into())]].concat(),
                String::new(),
            ),
            false => (400, fields, r#"{"error":"use_dpop_nonce"}"#.to_owned()),
        };
    }
    match heard.path.as_str() {
        "/.well-known/oauth-protected-resource" => match scene.metadata.clone() {
            Some((status, body)) => (status, vec![("Location", at("/elsewhere"))], body),
            None => json(&serde_json::json!({ "resource": origin, "authorization_servers": [origin] })),
        },
        "/.well-known/oauth-authorization-server" => json(&serde_json::json!({
            "issuer": origin,
            "token_endpoint": at("/token"),
            "device_authorization_endpoint": at("/device"),
            "revocation_endpoint": at("/revoke"),
            "dpop_signing_alg_values_supported": if scene.binds { vec!["ES256"] } else { vec![] },
        })),
        "/device" => json(&serde_json::json!({
            "device_code": "device-1", "user_code": "BCDF-GHJK", "verification_uri": at("/approve"),
            "expires_in": 600, "interval": 1,
        })),
        "/token" => token(scene, heard),
        "/revoke" => json(&serde_json::json!({})),
        "/.portcullis/session" => json(&serde_json::json!({ "account": "alice", "ends": "2030-01-01T00:00:00Z" })),
        "/.portcullis/check" if scene.checks.is_empty() => (204, Vec::new(), String::new()),
        "/.portcullis/check" => {
            let (status, challenge, body) = scene.checks.remove(0);
            (status, vec![("WWW-Authenticate", challenge.to_owned())], body.to_owned())
        }
        _ => (404, Vec::new(), String::new()),
    }
}

fn token(scene: &mut Scene, heard: &Heard) -> Reply {
    let refreshing = heard.form.get("grant_type").is_some_and(|grant| grant == "refresh_token");
    if refreshing && heard.form.get("refresh_token") != Some(&scene.refresh) {
        return error("invalid_grant");
    }
    if refreshing {
        scene.refreshes += 1;
    } else if !scene.polls.is_empty() {
        return error(scene.polls.remove(0));
    }
    scene.granted += 1;
    scene.refresh = format!("refresh-{}", scene.granted);
    let kind = if heard.fields.contains_key("dpop") { scene.grants } else { "Bearer" };
    json(&serde_json::json!({
        "access_token": format!("access-{}", scene.granted), "token_type": kind, "expires_in": 300,
        "refresh_token": scene.refresh,
    }))
}

/// What a proof says, unverified.
fn claims(proof: &str) -> String {
    let claims = proof.split('.').nth(1).unwrap_or_default();
    let claims = data_encoding::BASE64URL_NOPAD.decode(claims.as_bytes()).unwrap_or_default();
    String::from_utf8(claims).unwrap_or_default()
}
