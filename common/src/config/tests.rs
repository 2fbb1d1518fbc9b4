//! Loads configurations from temporary folders, with the environment as an argument: nothing
//! here touches the process.

mod canaries;
mod difference;
mod clients_and_apps;
mod errors;
mod exposed;
mod layers;
mod printed;
mod third_party_platform;

use std::{fs, path::Path};

use tempfile::TempDir;

use super::{Config, LoadOptions, effective_toml};

/// 32 bytes in base64.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OTHER_KEY: &str = "/////////////////////////////////////////38=";
const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// A temporary folder with configuration files.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// Creates a folder with this `quhao.toml`.
    fn with(main: &str) -> Self {
        Self::new().and("quhao.toml", main)
    }

    /// Adds a file.
    fn and(self, name: &str, text: &str) -> Self {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn options(&self, variables: &[(&str, &str)]) -> LoadOptions {
        let environment =
            variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        LoadOptions { file: None, environment, directory: self.path().to_owned() }
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

/// Returns the least that loads.
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
