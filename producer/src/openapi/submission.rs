//! The description of a submission's body, which `submission` reads: one object for each
//! combination of fields.

use std::borrow::Cow;

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Object, ObjectBuilder, OneOfBuilder, RefOr, Schema, Type, schema::AdditionalProperties,
    },
};

/// The fields that go with every combination.
const ALWAYS: [&str; 4] = ["app_id", "deadline_seconds", "callback_url", "metadata"];

/// Every combination: a title, what it needs, and what may be added.
const COMBINATIONS: [(&str, &[&str], &[&str]); 6] = [
    ("Log in", &["code"], &["expect"]),
    ("Log in and decrypt", &["code", "encrypted_data", "iv"], &["expect"]),
    ("The same, by the other name", &["code", "encryptedData", "iv"], &["expect"]),
    ("Decrypt with a stored session", &["session", "encrypted_data", "iv"], &["expect"]),
    ("The same, by its other name", &["session", "encryptedData", "iv"], &["expect"]),
    ("Redeem a phone code", &["phone_code"], &["openid", "expect"]),
];

/// A submission's body.
pub(crate) struct SubmitBody;

impl PartialSchema for SubmitBody {
    fn schema() -> RefOr<Schema> {
        let RefOr::T(Schema::Object(fields)) = Fields::schema() else {
            unreachable!("a struct is an object")
        };
        COMBINATIONS
            .into_iter()
            .fold(OneOfBuilder::new(), |all, (title, required, optional)| {
                all.item(combination(&fields, title, required, optional))
            })
            .description(Some("What to do: one of these combinations."))
            .into()
    }
}

impl ToSchema for SubmitBody {
    fn name() -> Cow<'static, str> {
        "Submission".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Expect::name().into_owned(), Expect::schema()));
    }
}

fn combination(fields: &Object, title: &str, required: &[&str], optional: &[&str]) -> Schema {
    let with_ciphertext = required.contains(&"iv");
    let names = required.iter().chain(optional).chain(&ALWAYS).copied();
    let object = ObjectBuilder::new()
        .title(Some(title))
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    let object = names.fold(object, |object, name| match fields.properties.get(name) {
        Some(_) if name == "expect" && !with_ciphertext => object.property(name, phone_only()),
        Some(field) => object.property(name, field.clone()),
        None => object,
    });
    required.iter().fold(object, |object, name| object.required(*name)).into()
}

/// `expect` where nothing is decrypted.
fn phone_only() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(["phone"]))
        .description(Some("May be left out: `open_data` needs a ciphertext."))
        .build()
}

/// Every field there is.
#[expect(dead_code, reason = "a description: never made, never read")]
#[derive(ToSchema)]
struct Fields {
    /// The mini-program. May be left out when the client owns exactly one.
    #[schema(example = "wx4f4bc4dec97d474b")]
    app_id: String,
    /// What `wx.login` gave.
    #[schema(min_length = 1, max_length = 512, pattern = "^[!-~]+$")]
    code: String,
    /// The ciphertext that the phone button gave, base64, together with `iv`. Damage that
    /// transports are known to do (`+` turned into a blank, URL-safe alphabet, …) is undone.
    encrypted_data: String,
    /// Another name of `encrypted_data`; only one of them.
    #[schema(rename = "encryptedData")]
    encrypted_data_alias: String,
    /// The vector that came with the ciphertext: base64 of 16 bytes.
    iv: String,
    /// The handle of a guest's session, from an earlier result: decrypts without a login.
    #[schema(pattern = "^ses_[0-9a-hjkmnp-tv-z]{40}$")]
    session: String,
    /// The code that the phone button gave (base library 2.21.2 and later). Not for apps
    /// that a third-party platform looks after.
    #[schema(min_length = 1, max_length = 512, pattern = "^[!-~]+$")]
    phone_code: String,
    /// The guest: the platform then checks that the phone code is this guest's.
    #[schema(min_length = 1, max_length = 128, pattern = "^[!-~]+$")]
    openid: String,
    /// What the ciphertext should hold.
    #[schema(default = "phone")]
    expect: Expect,
    /// After this the job is worthless to the caller and does not reach the platform.
    #[schema(minimum = 1, maximum = 290, default = 240)]
    deadline_seconds: u16,
    /// Where to send word of the result: an https URL that the app's `callback_allow`
    /// allows. The client needs a webhook secret, which signs.
    #[schema(format = "uri", max_length = 2048)]
    callback_url: String,
    /// Given back to the letter. At most 2 KiB of JSON text.
    #[schema(value_type = Object)]
    metadata: serde_json::Value,
}

/// What a ciphertext should hold.
#[expect(dead_code, reason = "a description: never made, never read")]
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum Expect {
    /// A phone number; anything else is refused.
    Phone,
    /// Whatever object was encrypted.
    OpenData,
}
