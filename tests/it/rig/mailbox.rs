//! A mail server on this machine: speaks as much SMTP (RFC 5321) as it takes to be given mail, and keeps it.

use super::PATIENCE;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// One mail as it was given.
#[derive(Clone, Debug, Default)]
pub struct Mail {
    /// What came before it, line by line: `MAIL FROM:<…>`, `RCPT TO:<…>`, `AUTH …`.
    pub said: Vec<String>,
    /// Header and body.
    pub text: String,
}

/// The server.
pub struct Mailbox {
    address: SocketAddr,
    kept: Arc<Mutex<Vec<Mail>>>,
    /// The first bytes or words of every connection, mail or not.
    heard: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<()>,
}

impl Mailbox {
    /// A server that takes everything.
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let kept: Arc<Mutex<Vec<Mail>>> = Arc::default();
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let (keeps, hears) = (kept.clone(), heard.clone());
        let serving = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(converse(stream, keeps.clone(), hears.clone()));
            }
        });
        Mailbox { address, kept, heard, serving }
    }

    /// It in a configuration.
    pub fn server(&self) -> String {
        self.address.to_string()
    }

    /// Waits until it was given `count` mails.
    pub async fn wait_for(&self, count: usize) -> Vec<Mail> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let all = self.kept.lock().expect("nobody panics").clone();
            if all.len() >= count {
                return all;
            }
            assert!(tokio::time::Instant::now() < deadline, "{} of {count} came", all.len());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// What came first on each connection so far.
    pub fn first_words(&self) -> Vec<String> {
        self.heard.lock().expect("nobody panics").clone()
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn converse(stream: TcpStream, kept: Arc<Mutex<Vec<Mail>>>, heard: Arc<Mutex<Vec<String>>>) -> Option<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    writer.write_all(b"220 mail.localhost ready\r\n").await.ok()?;
    let (mut mail, mut is_first) = (Mail::default(), true);
    loop {
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line).await.ok()? == 0 {
            return None;
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if std::mem::take(&mut is_first) {
            heard.lock().expect("nobody panics").push(line.clone());
        }
        let answer = match line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase().as_str() {
            "EHLO" => "250-mail.localhost\r\n250 AUTH PLAIN",
            "AUTH" => "235 welcome",
            "DATA" => {
                writer.write_all(b"354 go on\r\n").await.ok()?;
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).await.ok()?;
                    if line == ".\r\n" {
                        break;
                    }
                    mail.text += &line;
                }
                kept.lock().expect("nobody panics").push(std::mem::take(&mut mail));
                "250 taken"
            }
            "MAIL" | "RCPT" | "NOOP" | "RSET" => "250 fine",
            "QUIT" => "221 bye",
            _ => "502 what",
        };
        mail.said.push(line);
        writer.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
    }
}
