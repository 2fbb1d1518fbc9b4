//! The phone number of a payload is put together from its parts.

use super::*;

/// Reads a payload with these fields as one where a number is expected.
fn read_phone(country: &str, pure: &str, number: &str) -> Result<String, FailureCode> {
    let text = format!(
        r#"{{"phoneNumber":"{number}","purePhoneNumber":"{pure}","countryCode":{country},
            "watermark":{{"appid":"wx1","timestamp":1}}}}"#
    );
    let rules = Rules { app_id: "wx1", max_age: None, now: OffsetDateTime::UNIX_EPOCH };
    let phone = read(&text, Expect::Phone, &rules).map(|decrypted| match decrypted.opened {
        Opened::Phone(phone) => phone.e164.clone(),
        opened => panic!("no number, but {opened:?}"),
    });
    // Expected or not, it is the same number.
    let open_data = read(&text, Expect::OpenData, &rules).unwrap().opened;
    let Opened::OpenData(open_data) = open_data else { panic!("{open_data:?}") };
    assert_eq!(phone_in(&open_data).map(|phone| phone.e164.clone()), phone.clone().ok());
    phone
}

#[test]
fn number_has_its_country_code_however_written() {
    for (country, pure, number, e164) in [
        ("\"86\"", "13580006666", "13580006666", "+8613580006666"),
        ("86", "13580006666", "13580006666", "+8613580006666"),
        ("\"1\"", "2025550143", "+12025550143", "+12025550143"),
        ("\"1\"", "2025550143", "12025550143", "+12025550143"),
        ("\"852\"", "51234567", "852-51234567", "+85251234567"),
        ("\"852\"", "51234567", "0085251234567", "+85251234567"),
    ] {
        assert_eq!(read_phone(country, pure, number).as_deref(), Ok(e164));
    }
}

#[test]
fn malformed_or_contradictory_number_is_no_number() {
    for (country, pure, number) in [
        ("\"86\"", "13580006666", "13580006667"),
        ("\"86\"", "", ""),
        ("\"86\"", "1358000666x", "1358000666x"),
        ("\"\"", "13580006666", "13580006666"),
        ("\"0\"", "13580006666", "13580006666"),
        ("\"8600\"", "13580006666", "13580006666"),
        ("null", "13580006666", "13580006666"),
        ("-86", "13580006666", "13580006666"),
        ("\"86\"", "1234567890123456", "1234567890123456"),
    ] {
        assert_eq!(
            read_phone(country, pure, number),
            Err(FailureCode::NoPhone),
            "{country} {pure}"
        );
    }
}
