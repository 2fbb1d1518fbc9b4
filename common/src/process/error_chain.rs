//! An error as one line of a log or of a terminal.

use std::{error::Error, fmt::Write as _};

/// Returns the error and its causes, without repeating a cause that a message contains.
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            // Writing to a String does not fail.
            let _ = write!(text, ": {cause}");
        }
        source = error.source();
    }
    text
}
