//! A configuration file to start with.

use base64::{Engine, engine::general_purpose::STANDARD};
use data_encoding::{BASE32_NOPAD, HEXLOWER};
use rand::{TryRngCore, rand_core::OsError, rngs::OsRng};
use sha2::{Digest, Sha256};

/// Returns a configuration file that works as printed: the embedded mode, with new secrets and
/// a new API key from the operating system's randomness. Only the app's two lines must be
/// filled in before a job can give a phone number.
pub fn minimal_example() -> Result<String, OsError> {
    let api_key = format!("qh_{}", BASE32_NOPAD.encode(&random()?).to_lowercase());
    let digest = HEXLOWER.encode(&Sha256::digest(api_key.as_bytes()));
    let id = STANDARD.encode(random()?);
    let seal = STANDARD.encode(random()?);
    Ok(format!(
        r#"[queue]
url = "sqlite:quhao.db"

[store]
url = "sqlite:quhao.db"

[secrets]  # new and yours alone; keep them, without them nothing stored can be read
id = ["k1:{id}"]
seal = ["k1:{seal}"]

[[clients]]
name = "orders"
# The API key is {api_key}
# Give it to the ordering system, then delete these two lines: only its hash is needed.
api_key_sha256 = ["{digest}"]

[[apps]]
id = "wx0000000000000000"  # the mini-program's appid
client = "orders"
platform = "wechat"
secret = "APP_SECRET"  # its app secret, or secret_file = "…"
"#
    ))
}

fn random() -> Result<[u8; 32], OsError> {
    let mut bytes = [0; 32];
    OsRng.try_fill_bytes(&mut bytes)?;
    Ok(bytes)
}
