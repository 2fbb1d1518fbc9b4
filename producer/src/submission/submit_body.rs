//! The description of a submission's body, which `submission.rs` reads: one object for each
//! combination of fields.

use std::borrow::Cow;

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Object, ObjectBuilder, OneOfBuilder, RefOr, Schema, Type, schema::AdditionalProperties,
    },
};

/// The optional fields of every combination.
const COMMON_FIELDS: [&str; 4] = ["app_id", "deadline_seconds", "callback_url", "metadata"];

/// A combination of fields.
struct Combination {
    title: &'static str,
    required: &'static [&'static str],
    /// Fields that may be added, beside [`COMMON_FIELDS`].
    optional: &'static [&'static str],
}

const COMBINATIONS: [Combination; 6] = [
    Combination { title: "Log in", required: &["code"], optional: &["expect"] },
    Combination {
        title: "Log in and decrypt",
        required: &["code", "encrypted_data", "iv"],
        optional: &["expect"],
    },
    Combination {
        title: "Log in and decrypt (encryptedData)",
        required: &["code", "encryptedData", "iv"],
        optional: &["expect"],
    },
    Combination {
        title: "Decrypt with a stored session",
        required: &["session", "encrypted_data", "iv"],
        optional: &["expect"],
    },
    Combination {
        title: "Decrypt with a stored session (encryptedData)",
        required: &["session", "encryptedData", "iv"],
        optional: &["expect"],
    },
    Combination {
        title: "Redeem a phone code",
        required: &["phone_code"],
        optional: &["openid", "expect"],
    },
];

/// The body of a submission.
pub(crate) struct SubmitBody;

impl PartialSchema for SubmitBody {
    /// Returns the alternatives, one for each combination.
    fn schema() -> RefOr<Schema> {
        let RefOr::T(Schema::Object(fields)) = Fields::schema() else {
            unreachable!("a struct is an object")
        };
        let mut alternatives = OneOfBuilder::new();
        for combination in &COMBINATIONS {
            alternatives = alternatives.item(combination.schema(&fields));
        }
        alternatives.description(Some("What to do: one of these combinations.")).into()
    }
}

impl ToSchema for SubmitBody {
    /// Returns the name in the description.
    fn name() -> Cow<'static, str> {
        "Submission".into()
    }

    /// Adds the schemas that the alternatives refer to.
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Expect::name().into_owned(), Expect::schema()));
    }
}

impl Combination {
    /// Returns the object of this combination. `fields` describes every field there is.
    fn schema(&self, fields: &Object) -> Schema {
        let has_ciphertext = self.required.contains(&"iv");
        let mut object = ObjectBuilder::new()
            .title(Some(self.title))
            .additional_properties(Some(AdditionalProperties::FreeForm(false)));
        for name in self.required.iter().chain(self.optional).chain(&COMMON_FIELDS).copied() {
            let Some(field) = fields.properties.get(name) else { continue };
            object = if name == "expect" && !has_ciphertext {
                object.property(name, expect_phone())
            } else {
                object.property(name, field.clone())
            };
        }
        for name in self.required {
            object = object.required(*name);
        }
        object.into()
    }
}

/// Returns the field `expect` of combinations that decrypt nothing.
fn expect_phone() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(["phone"]))
        .description(Some("May be left out: `open_data` needs a ciphertext."))
        .build()
}

/// Every field of every combination.
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
    /// transports are known to do (`+` turned into a blank, URL-safe alphabet, …) is repaired.
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
    /// Seconds after which the job is worthless to the caller; from then on the platform is
    /// not called for it.
    #[schema(minimum = 1, maximum = 290, default = 240)]
    deadline_seconds: u16,
    /// Where to send the result's event: an https URL that the app's `callback_allow`
    /// allows. The client needs a webhook secret, which signs the event.
    #[schema(format = "uri", max_length = 2048)]
    callback_url: String,
    /// Returned exactly as sent. At most 2 KiB of JSON text.
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
