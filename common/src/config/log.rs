//! `[log]`

use tracing_subscriber::EnvFilter;

use super::layers::reader::Section;

/// `[log]`: log lines, on standard error.
#[derive(Debug, Clone, PartialEq)]
pub struct Log {
    /// Text for people or JSON lines for machines.
    pub format: LogFormat,
    /// A `tracing` filter such as `info` or `quhao_worker=debug,info`.
    pub filter: String,
}

/// `log.format`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object a line.
    Json,
}

/// Parses a filter of log lines; `None` if it is none.
pub(crate) fn parse_filter(text: &str) -> Option<EnvFilter> {
    EnvFilter::builder().parse(text).ok()
}

/// Reads the section.
pub(super) fn read(mut section: Section<'_>) -> Option<Log> {
    let format = section.read("format", "\"text\" or \"json\"", |found| match found.text()? {
        "text" => Some(LogFormat::Text),
        "json" => Some(LogFormat::Json),
        _ => None,
    });
    let expected = "a filter such as \"info\" or \"quhao_worker=debug,info\"";
    let filter = section.read("filter", expected, |found| {
        let text = found.text().filter(|text| !text.trim().is_empty())?;
        parse_filter(text).map(|_| text.to_owned())
    });
    Some(Log { format: format?, filter: filter? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_parsed_and_nonsense_is_refused() {
        assert!(parse_filter("info").is_some());
        assert!(parse_filter("quhao_worker=debug,info").is_some());
        assert!(parse_filter("quhao=loud").is_none());
    }
}
