use super::json::quoted;
use crate::png;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

/// Renders the images of a request: squares of one color each, as a `url` below `base` or in base64.
pub(crate) fn images(request: &Value, base: &str, created: u64) -> String {
    let prompt = request["prompt"].as_str().unwrap_or("");
    let revised = quoted(&format!("A square in one color: {prompt}"));
    let image = |index: u64| {
        let color = png::color(prompt, index);
        let image = if request["response_format"] == "b64_json" {
            format!(r#""b64_json":"{}""#, STANDARD.encode(png::square(color)))
        } else {
            format!(r#""url":{}"#, quoted(&format!("{base}{}", png::path(color))))
        };
        format!(r#"{{{image},"revised_prompt":{revised}}}"#)
    };
    let data: Vec<String> = (0..request["n"].as_u64().unwrap_or(1)).map(image).collect();
    format!(r#"{{"created":{created},"data":[{}]}}"#, data.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn urls_lead_to_the_image_that_base64_holds() {
        let mut request = json!({"prompt": "A \"cat\"", "n": 2, "size": "8x8"});
        let urls: Value = serde_json::from_str(&images(&request, "http://127.0.0.1:1", 7)).unwrap();
        request["response_format"] = json!("b64_json");
        let encoded: Value = serde_json::from_str(&images(&request, "", 7)).unwrap();
        assert_eq!(urls["created"], 7);
        assert_eq!(urls["data"].as_array().unwrap().len(), 2);
        for index in 0..2 {
            let url = urls["data"][index]["url"].as_str().unwrap();
            let path = url.strip_prefix("http://127.0.0.1:1").unwrap();
            let served = png::of_path(path).unwrap();
            let decoded = STANDARD.decode(encoded["data"][index]["b64_json"].as_str().unwrap());
            assert_eq!(decoded.unwrap(), served);
        }
        assert_ne!(urls["data"][0]["url"], urls["data"][1]["url"]);
    }
}
