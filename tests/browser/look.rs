//! Looking at a page in every theme and width, and taking pictures of it if somebody wants to see them.

use crate::chrome::Chrome;
use data_encoding::BASE64;
use serde_json::{Value, json};
use std::path::PathBuf;

/// The narrowest a page must fit: WCAG 2.2 §1.4.10.
const NARROWEST: u32 = 320;

/// A phone and a desk, for pictures.
const SCREENS: [(&str, u32, u32); 2] = [("phone", 390, 844), ("desk", 1280, 800)];

const THEMES: [&str; 2] = ["light", "dark"];

/// Where pictures go; none are taken if it is not set.
const PICTURES: &str = "PORTCULLIS_SCREENSHOTS";

const LOOK: &str = include_str!("look.js");

/// Judges the page in both themes, narrow and wide, and takes its pictures under this name.
pub async fn look(chrome: &Chrome, name: &str) {
    let pictures = std::env::var_os(PICTURES).map(PathBuf::from);
    for theme in THEMES {
        wear(chrome, theme).await;
        resize(chrome, NARROWEST, 640).await;
        judge(chrome, &format!("{name}, {theme}, {NARROWEST} wide")).await;
        for (screen, width, height) in SCREENS {
            resize(chrome, width, height).await;
            judge(chrome, &format!("{name}, {theme}, on a {screen}")).await;
            if let Some(directory) = &pictures {
                take(chrome, &directory.join(format!("{name}-{screen}-{theme}.png"))).await;
            }
        }
    }
}

async fn wear(chrome: &Chrome, theme: &str) {
    let features = json!([{ "name": "prefers-color-scheme", "value": theme }]);
    chrome.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
}

async fn resize(chrome: &Chrome, width: u32, height: u32) {
    // Not as a mobile device: that one would zoom out rather than scroll, and hide what is too wide.
    let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
    chrome.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
}

async fn judge(chrome: &Chrome, what: &str) {
    let wrong = chrome.ask(LOOK).await;
    assert_eq!(wrong, Value::Array(Vec::new()), "{what}");
}

async fn take(chrome: &Chrome, file: &PathBuf) {
    let whole = json!({ "format": "png", "captureBeyondViewport": true });
    let picture = chrome.devtools("Page.captureScreenshot", whole).await;
    let picture = BASE64.decode(picture["data"].as_str().expect("a picture").as_bytes()).expect("base 64");
    std::fs::create_dir_all(file.parent().expect("a file in a directory")).expect("a directory");
    std::fs::write(file, picture).expect("written");
}
