//! Loading from folders of their own, with the environment as an argument: nothing here
//! touches the process.

mod canaries;
mod component;
mod difference;
mod directory;
mod errors;
mod exposed;
mod layers;
mod printed;

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use super::{Config, LoadOptions, effective_toml};

/// 32 bytes in base64.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OTHER_KEY: &str = "/////////////////////////////////////////38=";
const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// A folder that goes away with its value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("quhao-config-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A folder with this `quhao.toml`.
    fn with(main: &str) -> Self {
        Self::new().and("quhao.toml", main)
    }

    fn and(self, name: &str, text: &str) -> Self {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn path(&self) -> &Path {
        &self.0
    }

    fn options(&self, variables: &[(&str, &str)]) -> LoadOptions {
        let environment =
            variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        LoadOptions { file: None, environment, directory: self.0.clone() }
    }

    fn load(&self, variables: &[(&str, &str)]) -> Result<Config, String> {
        Config::load(&self.options(variables)).map_err(|errors| errors.to_string())
    }

    fn errors(&self, variables: &[(&str, &str)]) -> String {
        self.load(variables).expect_err("a configuration with errors was accepted")
    }

    fn effective(&self, variables: &[(&str, &str)]) -> String {
        effective_toml(&self.options(variables)).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The least that loads.
fn least() -> String {
    format!(
        r#"
[queue]
url = "amqp://guest:guest@127.0.0.1:5672/%2f"
[store]
url = "postgres://postgres@127.0.0.1:5432/quhao"
[secrets]
id = ["k1:{KEY}"]
seal = ["k1:{OTHER_KEY}"]
"#
    )
}

fn client(name: &str, digest: &str) -> String {
    format!("\n[[clients]]\nname = \"{name}\"\napi_key_sha256 = [\"{digest}\"]\n")
}

fn app(id: &str, client: &str) -> String {
    format!(
        "\n[[apps]]\nid = \"{id}\"\nclient = \"{client}\"\nplatform = \"wechat\"\nsecret = \"s3cret\"\n"
    )
}
