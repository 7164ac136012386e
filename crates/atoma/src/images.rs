use crate::{Call, Download, Error, Json, core::Core};
use atoma_types::{ImageData, ImageRequest, ImageResponse};
use std::sync::Arc;

/// Generation of images; [`Client::images`](crate::Client::images) returns it.
#[derive(Clone, Debug)]
pub struct Images {
    core: Arc<Core>,
}

impl Images {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        Self { core: Arc::clone(core) }
    }

    /// Generates images from a description.
    ///
    /// ```
    /// # async fn run(client: atoma::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use atoma::ImageRequest;
    ///
    /// let request = ImageRequest::new("black-forest-labs/FLUX.1-schnell", "A lighthouse at dusk.")
    ///     .n(1)
    ///     .size("1024x1024");
    /// let reply = client.images().generate(request).await?;
    /// reply.data[0].save("lighthouse.png")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Every [`Error`]. A request without `n` and `size`, which Atoma's server requires, fails before
    /// it is sent.
    #[doc(alias = "create")]
    pub fn generate(&self, request: ImageRequest) -> Call<Json<ImageResponse>> {
        Call::post(&self.core, "/images/generations", request.to_vec(), Json::new(1))
    }

    /// Fetches an image that the server returned as a URL. Neither the API key nor any other header
    /// of the client is sent there.
    ///
    /// # Errors
    ///
    /// Every [`Error`]. It fails before anything is sent if the image has no `http` or `https` URL;
    /// [`ImageData::bytes`] returns the others.
    pub fn fetch(&self, image: &ImageData) -> Call<Download> {
        let url = image.url.as_deref().filter(|url| url.starts_with("http"));
        let url = url.and_then(|url| url.parse().ok());
        let url = url.ok_or_else(|| Error::misuse("the image has no URL that can be fetched"));
        Call::get_foreign(&self.core, url, Download::new())
    }
}
