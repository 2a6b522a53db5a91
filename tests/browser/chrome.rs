//! A Chromium without a screen, driven by its own driver; knows a page only by what a person finds on it.

use crate::rig::PATIENCE;
use fantoccini::elements::Element;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::Url;
use serde_json::{Value, json};
use std::process::Stdio;
use std::str::FromStr;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// What a test says that cannot run at all.
const MISSING: &str = "the browser stories need Chromium and its driver: run `make setup`";

/// One browser profile in a browser of its own. It ends with [`Chrome::finish`].
pub struct Chrome {
    client: Option<Client>,
    // Both end with the test, even if it fails: the driver is killed, and a Chromium that loses its driver ends too.
    _driver: Child,
    _said: Lines<BufReader<ChildStdout>>,
    _profile: TempDir,
}

/// Whether pages may run scripts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scripts {
    Run,
    Blocked,
}

impl Chrome {
    /// A fresh profile.
    pub async fn start() -> Self {
        Self::with(Scripts::Run).await
    }

    /// A fresh profile, with or without scripts.
    pub async fn with(scripts: Scripts) -> Self {
        let chromium = installed("chromium");
        let mut driver = Command::new(installed("chromedriver"))
            .args(["--port=0", "--log-level=WARNING"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{MISSING} ({error})"));
        let mut said = BufReader::new(driver.stdout.take().expect("it is piped")).lines();
        let port = tokio::time::timeout(PATIENCE, port(&mut said)).await.expect("chromedriver starts in time");
        let profile = tempfile::tempdir().expect("a directory");
        let capabilities = capabilities(&chromium, &profile, scripts);
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let client = builder.capabilities(capabilities).connect(&format!("http://127.0.0.1:{port}")).await;
        let client = client.unwrap_or_else(|error| panic!("{MISSING} ({error})"));
        Chrome { client: Some(client), _driver: driver, _said: said, _profile: profile }
    }

    /// Ends the browser. Nothing may have been said on its console: no script, no breach of a page's own policy.
    pub async fn finish(mut self) {
        let complaints = self.complaints().await;
        assert!(complaints.is_empty(), "the browser complained:\n{}", complaints.join("\n"));
        let client = self.client.take().expect("it ends once");
        client.close().await.expect("it closes");
    }

    /// Goes to an address, and follows redirects to the end.
    pub async fn open(&self, address: &str) {
        self.client().goto(address).await.unwrap_or_else(|error| panic!("{address}: {error}"));
    }

    /// Forgets every cookie of every host.
    pub async fn forget(&self) {
        self.devtools("Network.clearBrowserCookies", json!({})).await;
    }

    /// Presses the button or link that is called so, and waits for the page it leads to.
    pub async fn press(&self, name: &str) {
        let element = self.one(Locator::XPath(&pressable(name)), name).await;
        self.leaving(async { element.click().await.unwrap_or_else(|error| panic!("{name}: {error}")) }).await;
    }

    /// Presses it where it leads nowhere by itself.
    pub async fn click(&self, name: &str) {
        let element = self.one(Locator::XPath(&pressable(name)), name).await;
        element.click().await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    /// Whether there is a button or link that is called so.
    pub async fn offers(&self, name: &str) -> bool {
        self.client().find(Locator::XPath(&pressable(name))).await.is_ok()
    }

    /// Types into the field with this label, in place of what is there.
    pub async fn fill(&self, label: &str, text: &str) {
        let path = format!("//input[@id=//label[normalize-space()='{label}']/@for]");
        let field = self.one(Locator::XPath(&path), label).await;
        field.clear().await.expect("it can be emptied");
        field.send_keys(text).await.expect("it can be typed into");
    }

    /// Types wherever the cursor is.
    pub async fn type_here(&self, keys: &str) {
        let here = self.client().active_element().await.expect("something has the focus");
        here.send_keys(keys).await.unwrap_or_else(|error| panic!("{keys:?}: {error}"));
    }

    /// Presses Enter wherever the cursor is, and waits for the page it leads to.
    pub async fn enter(&self) {
        self.leaving(self.type_here("\u{e007}")).await;
    }

    /// What has the focus, as a screen reader says it: role and name.
    pub async fn focus(&self) -> String {
        let here = self.client().active_element().await.expect("something has the focus");
        self.said(&here).await
    }

    /// Presses Tab until the focus comes back to where it began, and tells every stop.
    pub async fn tab_order(&self) -> Vec<String> {
        let mut stops = vec![self.focus().await];
        loop {
            self.type_here("\u{e004}").await;
            let here = self.focus().await;
            if stops.contains(&here) || stops.len() > 40 {
                return stops;
            }
            stops.push(here);
        }
    }

    /// The address in the address bar.
    pub async fn address(&self) -> String {
        self.client().current_url().await.expect("an address").to_string()
    }

    /// The text that is visible.
    pub async fn text(&self) -> String {
        self.one(Locator::Css("body"), "body").await.text().await.expect("a text")
    }

    /// The page's heading.
    pub async fn heading(&self) -> String {
        self.one(Locator::Css("h1"), "a heading").await.text().await.expect("a text")
    }

    /// What is announced by itself.
    pub async fn alert(&self) -> Option<String> {
        self.texts("[role=alert]").await.pop()
    }

    /// The texts of all elements that a selector chooses.
    pub async fn texts(&self, selector: &str) -> Vec<String> {
        let mut texts = Vec::new();
        for element in self.client().find_all(Locator::Css(selector)).await.expect("a list") {
            texts.push(element.text().await.expect("a text"));
        }
        texts
    }

    /// An attribute of the field with this label.
    pub async fn attribute(&self, label: &str, name: &str) -> Option<String> {
        let path = format!("//input[@id=//label[normalize-space()='{label}']/@for]");
        self.one(Locator::XPath(&path), label).await.attr(name).await.expect("an element")
    }

    /// What a script finds out, which works even where pages may not run any.
    pub async fn ask(&self, script: &str) -> Value {
        self.client().execute(script, Vec::new()).await.expect("the script runs")
    }

    /// A command of the DevTools protocol.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.post("goog/cdp/execute", body).await
    }

    fn client(&self) -> &Client {
        self.client.as_ref().expect("it has not finished")
    }

    async fn one(&self, locator: Locator<'_>, what: &str) -> Element {
        match self.client().find(locator).await {
            Ok(element) => element,
            Err(error) => panic!("no {what:?} on {} ({error}):\n{}", self.address().await, self.source().await),
        }
    }

    async fn source(&self) -> String {
        self.client().source().await.unwrap_or_else(|error| error.to_string())
    }

    /// Waits until what was done has replaced the page.
    async fn leaving(&self, act: impl Future<Output = ()>) {
        let old = self.client().find(Locator::Css("html")).await.expect("a page");
        act.await;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while old.tag_name().await.is_ok() {
            let (address, now) = (self.address().await, tokio::time::Instant::now());
            assert!(now < deadline, "it led nowhere on {address}:\n{}", self.source().await);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn said(&self, element: &Element) -> String {
        let id = element.element_id();
        let ask = async |what| {
            let asked = Below(Method::GET, format!("element/{id}/{what}"), None);
            let said = self.client().issue_cmd(asked).await.expect("an element");
            said.as_str().unwrap_or_default().to_owned()
        };
        format!("{} {}", ask("computedrole").await, ask("computedlabel").await).trim().to_owned()
    }

    /// What the console says, except that a page has the status it was meant to have, and that it was asked to forget.
    async fn complaints(&self) -> Vec<String> {
        let entries = self.post("se/log", json!({ "type": "browser" })).await;
        let entries = entries.as_array().cloned().unwrap_or_default();
        let meant = |entry: &Value| {
            let message = entry["message"].as_str().unwrap_or_default();
            let refused = message.contains("the server responded with a status of");
            let forgot = entry["level"] == "INFO" && message.contains("Clear-Site-Data header on");
            forgot || refused && !message.contains("/.portcullis/style.css")
        };
        entries.iter().filter(|entry| !meant(entry)).map(Value::to_string).collect()
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let command = Below(Method::POST, path.to_owned(), Some(body));
        self.client().issue_cmd(command).await.unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

impl Drop for Chrome {
    fn drop(&mut self) {
        let forgotten = self.client.is_some() && !std::thread::panicking();
        assert!(!forgotten, "a story ends its browser with `finish`, which reads the console");
    }
}

/// A command below the WebDriver session's address that the library has no word for.
#[derive(Debug)]
struct Below(Method, String, Option<Value>);

impl WebDriverCompatibleCommand for Below {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, <Url as FromStr>::Err> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.1))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (self.0.clone(), self.2.as_ref().map(Value::to_string))
    }
}

/// Where the button or link is that is called so.
fn pressable(name: &str) -> String {
    format!("//button[normalize-space()='{name}'] | //a[normalize-space()='{name}']")
}

fn capabilities(chromium: &str, profile: &TempDir, scripts: Scripts) -> serde_json::Map<String, Value> {
    let mut arguments = vec![
        "--headless=new".to_owned(),
        // Chromium's sandbox does not work for root, and all that is opened here is our own.
        "--no-sandbox".to_owned(),
        "--disable-gpu".to_owned(),
        "--disable-quic".to_owned(),
        "--disable-background-networking".to_owned(),
        "--disable-component-update".to_owned(),
        "--disable-sync".to_owned(),
        "--no-first-run".to_owned(),
        "--hide-scrollbars".to_owned(),
        "--lang=en".to_owned(),
        // The end of the pipe is the end of Chromium, however its driver ended.
        "--remote-debugging-pipe".to_owned(),
        format!("--user-data-dir={}", profile.path().display()),
    ];
    if scripts == Scripts::Blocked {
        arguments.push("--blink-settings=scriptEnabled=false".to_owned());
    }
    let capabilities = json!({
        "browserName": "chrome",
        "goog:loggingPrefs": { "browser": "ALL" },
        "goog:chromeOptions": { "binary": chromium, "args": arguments },
    });
    capabilities.as_object().cloned().expect("it is written as an object")
}

/// Where a command is installed.
fn installed(command: &str) -> String {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|directory| directory.join(command)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("{command} is not installed: {MISSING}")).display().to_string()
}

/// The port that the driver chose, which it tells in its own words.
async fn port(said: &mut Lines<BufReader<ChildStdout>>) -> u16 {
    while let Some(line) = said.next_line().await.expect("text") {
        if let Some((_, port)) = line.split_once("started successfully on port ") {
            return port.trim_end_matches('.').parse().expect("a port");
        }
    }
    panic!("{MISSING} (chromedriver ended at once)");
}
