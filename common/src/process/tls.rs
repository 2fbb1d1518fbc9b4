//! The one implementation of TLS's cryptography that all of a process uses.

/// Makes ring the cryptography of every TLS connection of this process; does nothing where it
/// is already. The clients of broker, store and HTTP would each look for one otherwise.
pub fn install_crypto_provider() {
    // An error says that it is installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
