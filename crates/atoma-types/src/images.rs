use crate::{
    ApiError, InvalidRequest, ParseError, Usage, base64, json,
    open_enum::open_enum,
    setters::{request, setters},
    stream::{ResponseModel, whole::WholeBody},
    validate::{check_extra, check_model},
    wire::object,
};

object! {
    /// A request for images of a description.
    ///
    /// ```
    /// use atoma_types::ImageRequest;
    ///
    /// let request =
    ///     ImageRequest::new("black-forest-labs/FLUX.1-schnell", "A cute baby sea otter floating on its back")
    ///         .n(1)
    ///         .size("1024x1024");
    /// request.validate()?;
    /// # Ok::<(), atoma_types::InvalidRequest>(())
    /// ```
    #[doc(alias = "CreateImageRequest")]
    pub struct ImageRequest {
        /// The model to use. Required.
        pub model: String,
        /// The description of the images. Required. The reference gives 1000 characters as the maximum.
        pub prompt: String,
        /// The number of images, at least 1. Required by Atoma's server, which has no default.
        pub n: Option<u32>,
        /// The width and height in pixels, such as `1024x1024`. Required by Atoma's server, which has no default.
        pub size: Option<String>,
        /// The quality: `hd` gives finer details. The default is the model's.
        pub quality: Option<String>,
        /// The form in which the images are returned. The default is the server's, usually `url`.
        pub response_format: Option<ImageFormat>,
        /// The style, such as `vivid` or `natural`. The default is the model's.
        pub style: Option<String>,
        /// A stable, anonymous id of the end user. No default.
        pub user: Option<String>,
    }
}

open_enum! {
    /// The form in which images are returned.
    pub enum ImageFormat {
        /// A URL, usually valid for a short time only.
        Url = "url",
        /// The image itself, in base64.
        B64Json = "b64_json",
    }
}

object! {
    /// The images of a request.
    #[doc(alias = "ImagesResponse")]
    pub struct ImageResponse {
        /// The time of creation in seconds since 1970. Zero if the server does not say.
        pub created: i64,
        /// The images.
        pub data: Vec<ImageData> as Always,
        /// The number of tokens used, if the model counts tokens.
        pub usage: Option<ImageUsage>,
        /// The signature of Atoma's node over `response_hash`, in base64.
        pub signature: Option<String>,
        /// The BLAKE2b-256 hash of the response without this member and `signature`, in base64.
        pub response_hash: Option<String>,
        /// The error, if the server reports one with a status of success.
        pub error: Option<Box<ApiError>> as ErrorMember,
    }
}

object! {
    /// One image: a URL or the image itself.
    pub struct ImageData {
        /// The URL of the image.
        pub url: Option<String>,
        /// The image in base64; [`bytes`](Self::bytes) decodes it.
        pub b64_json: Option<String>,
        /// The description that the model used in place of the one in the request.
        pub revised_prompt: Option<String>,
    }
}

object! {
    /// The number of tokens that images took.
    pub struct ImageUsage {
        /// Tokens of the description and of images in the request.
        pub input_tokens: Option<u64>,
        /// Tokens of the generated images.
        pub output_tokens: Option<u64>,
        /// All tokens.
        pub total_tokens: Option<u64>,
        /// The division of the request's tokens into text and images.
        pub input_tokens_details: Option<ImageTokensDetails>,
    }
}

object! {
    /// The division of tokens into text and images.
    pub struct ImageTokensDetails {
        /// Tokens of text.
        pub text_tokens: Option<u64>,
        /// Tokens of images.
        pub image_tokens: Option<u64>,
    }
}

impl ImageRequest {
    /// Requests images of `prompt`. Atoma's server requires [`n`](Self::n) and [`size`](Self::size) as well.
    pub fn new(model: impl Into<String>, prompt: impl Into<String>) -> Self {
        Self { model: model.into(), prompt: prompt.into(), ..Self::default() }
    }

    /// Checks for mistakes that Atoma's server refuses: no model, description, number or size; a size that is not
    /// `WIDTHxHEIGHT`; members set twice.
    ///
    /// A member set through [`extra`](Self::extra) is not judged, so `.extra("size", "auto")` is valid.
    ///
    /// # Errors
    ///
    /// The first mistake found: the name of the field, and a remedy.
    pub fn validate(&self) -> Result<(), InvalidRequest> {
        check_model(&self.model, &self.extra)?;
        let is_missing = |name| !self.extra.contains(name);
        let fault = if self.prompt.trim().is_empty() && is_missing("prompt") {
            ("prompt", "is empty: describe the image")
        } else if self.n.is_none() && is_missing("n") {
            ("n", "is missing: Atoma's server requires the number of images, such as 1")
        } else if self.n == Some(0) {
            ("n", "must be at least 1")
        } else if self.size.is_none() && is_missing("size") {
            ("size", "is missing: Atoma's server requires it, such as 1024x1024")
        } else if self.size.as_deref().is_some_and(|size| !is_size(size)) {
            ("size", "must be WIDTHxHEIGHT in pixels, such as 1024x1024")
        } else {
            return check_extra(self);
        };
        Err(InvalidRequest::new(fault.0, fault.1))
    }
}

request!(ImageRequest);

setters! { ImageRequest {
    n: u32;
    size: String as impl Into<String>;
    quality: String as impl Into<String>;
    response_format: ImageFormat as impl Into<ImageFormat>;
    style: String as impl Into<String>;
    user: String as impl Into<String>;
} }

impl ImageData {
    /// Decodes the image, from `b64_json` or from a `data:` URL in either member.
    ///
    /// `None` if the server sent a URL to fetch, or text that is not base64.
    #[must_use]
    pub fn bytes(&self) -> Option<Vec<u8>> {
        let in_data_url =
            |text: &str| Some(text.strip_prefix("data:")?.split_once(',')?.1.to_owned());
        match (&self.b64_json, &self.url) {
            (Some(text), _) => match in_data_url(text) {
                Some(inner) => base64::decode(&inner),
                None => base64::decode(text),
            },
            (None, Some(url)) => base64::decode(&in_data_url(url)?),
            (None, None) => None,
        }
        .filter(|bytes| !bytes.is_empty())
    }
}

impl ImageData {
    /// Decodes the image and writes it to a file.
    ///
    /// # Errors
    ///
    /// The file cannot be written, or there are no [`bytes`](Self::bytes): the server sent a URL to fetch.
    pub fn save(&self, path: impl AsRef<std::path::Path>) -> std::io::Result<()> {
        let missing = || std::io::Error::other("the image has no base64 data, fetch its URL");
        std::fs::write(path, self.bytes().ok_or_else(missing)?)
    }
}

fn is_size(size: &str) -> bool {
    let is_length = |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_digit())
            && text.parse().is_ok_and(|pixels: u32| pixels > 0)
    };
    size.split_once('x').is_some_and(|(width, height)| is_length(width) && is_length(height))
}

impl ResponseModel for ImageResponse {
    type Stream = WholeBody<Self>;

    fn from_slice(body: &[u8]) -> Result<Self, ParseError> {
        json::object_or_list(body, "data")
    }

    fn error(&self) -> Option<&ApiError> {
        self.error.as_deref()
    }

    fn has_content(&self) -> bool {
        !self.data.is_empty()
    }

    fn usage(&self) -> Option<Usage> {
        let usage = self.usage.as_ref()?;
        Some(Usage {
            prompt_tokens: usage.input_tokens.unwrap_or_default(),
            completion_tokens: usage.output_tokens.unwrap_or_default(),
            total_tokens: usage.total_tokens.unwrap_or_default(),
            ..Usage::default()
        })
    }
}
