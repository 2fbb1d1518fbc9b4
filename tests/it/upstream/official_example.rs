//! WeChat's own published example goes through the whole product.

use quhao_simulator::LoginSpec;
use quhao_tests::{
    config::{APP, Mode},
    in_both_modes,
    world::World,
};
use serde_json::{Value, json};

const OPENID: &str = "oGZUI0egBJY1zhBYw2KhdUfwVJJE";
const VECTORS: &str = include_str!("../../vectors/wechat.json");

in_both_modes!(the_official_example_gives_band_and_the_openid);

async fn the_official_example_gives_band_and_the_openid(mode: Mode) {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let official = &vectors["vectors"][0];
    assert_eq!(official["id"], "wx-official-userinfo");
    assert_eq!(official["appid"], APP);

    let world = World::start(mode).await;
    let session_key = official["session_key"].as_str().unwrap();
    let login = world.simulator.login(&LoginSpec::new(APP).openid(OPENID).session_key(session_key));
    let job = json!({
        "app_id": APP, "code": login.code, "expect": "open_data",
        "encrypted_data": official["encrypted_data"], "iv": official["iv"],
    });
    let reply = world.client().submit_and_wait(&job, 20).await;

    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(reply.header("preference-applied"), "wait");
    assert_eq!(reply.text_at("/status"), "succeeded");
    assert_eq!(reply.text_at("/result/open_data/nickName"), "Band");
    assert_eq!(reply.text_at("/result/openid"), OPENID);
    assert_eq!(reply.body.pointer("/result/open_data"), official["expect"].get("json"));
    assert!(reply.body["result"].get("phone").is_none_or(Value::is_null));
    assert!(reply.text_at("/result/watermark_at").starts_with("2016-10-24T13:03:07"));
}
