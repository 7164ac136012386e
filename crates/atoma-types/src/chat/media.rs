//! Parts of a message that are images, audio, video or files.

use super::content::ContentPart;
use crate::base64;
use serde_json::{Value, json};

/// Parts made of bytes, and parts that are not in Atoma's reference.
///
/// Atoma's server takes text and images only, and refuses a message with any other part; other servers take more.
impl ContentPart {
    /// An image, encoded into a `data:` URL. `media_type` is the type of the bytes, such as `image/png`.
    ///
    /// Atoma's server refuses bodies over 2 MiB, and base64 takes four bytes for three.
    ///
    /// ```
    /// use atoma_types::ContentPart;
    ///
    /// let part = ContentPart::image_bytes("image/png", b"\x89PNG");
    /// assert_eq!(part, ContentPart::image_url("data:image/png;base64,iVBORw=="));
    /// ```
    #[must_use]
    pub fn image_bytes(media_type: &str, bytes: &[u8]) -> Self {
        Self::image_url(data_url(media_type, bytes))
    }

    /// Audio in the form of OpenAI's `input_audio`. `format` is `wav` or `mp3`.
    #[must_use]
    pub fn audio_bytes(format: &str, bytes: &[u8]) -> Self {
        let audio = json!({"data": base64::encode(bytes), "format": format});
        other("input_audio", audio)
    }

    /// Audio by its URL, in the form of vLLM.
    pub fn audio_url(url: impl Into<String>) -> Self {
        other("audio_url", json!({"url": url.into()}))
    }

    /// A video by its URL, in the form of vLLM and SGLang.
    pub fn video_url(url: impl Into<String>) -> Self {
        other("video_url", json!({"url": url.into()}))
    }

    /// A video, encoded into a `data:` URL. `media_type` is the type of the bytes, such as `video/mp4`.
    #[must_use]
    pub fn video_bytes(media_type: &str, bytes: &[u8]) -> Self {
        Self::video_url(data_url(media_type, bytes))
    }

    /// A file such as a PDF, in the form of OpenAI. `media_type` is the type of the bytes, such as `application/pdf`.
    #[must_use]
    pub fn file_bytes(name: &str, media_type: &str, bytes: &[u8]) -> Self {
        other("file", json!({"filename": name, "file_data": data_url(media_type, bytes)}))
    }

    /// A file that was uploaded before, by its id.
    pub fn file_id(id: impl Into<String>) -> Self {
        other("file", json!({"file_id": id.into()}))
    }
}

fn other(kind: &str, value: Value) -> ContentPart {
    let mut part = json!({"type": kind});
    part[kind] = value;
    ContentPart::Other(part)
}

fn data_url(media_type: &str, bytes: &[u8]) -> String {
    format!("data:{media_type};base64,{}", base64::encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_has_the_form_that_servers_take() {
        for (part, wire) in [
            (
                ContentPart::image_bytes("image/gif", b"GIF"),
                json!({"type": "image_url", "image_url": {"url": "data:image/gif;base64,R0lG"}}),
            ),
            (
                ContentPart::audio_bytes("wav", b"RIFF"),
                json!({"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}),
            ),
            (
                ContentPart::audio_url("https://a.test/a.mp3"),
                json!({"type": "audio_url", "audio_url": {"url": "https://a.test/a.mp3"}}),
            ),
            (
                ContentPart::video_bytes("video/mp4", b"mp4"),
                json!({"type": "video_url", "video_url": {"url": "data:video/mp4;base64,bXA0"}}),
            ),
            (
                ContentPart::file_bytes("a.pdf", "application/pdf", b"%PDF"),
                json!({"type": "file",
                    "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}}),
            ),
            (ContentPart::file_id("f"), json!({"type": "file", "file": {"file_id": "f"}})),
        ] {
            assert_eq!(serde_json::to_value(&part).unwrap(), wire);
            assert_eq!(serde_json::from_value::<ContentPart>(wire).unwrap(), part);
        }
    }
}
