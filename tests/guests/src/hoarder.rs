//! Takes things of one kind from the host without end, and gives none back.

use std::mem::forget;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shiro_step::bindings::wasi::clocks::monotonic_clock::subscribe_duration;
use shiro_step::bindings::wasi::filesystem::preopens::get_directories;
use shiro_step::bindings::wasi::filesystem::types::{DescriptorFlags, OpenFlags, PathFlags};
use shiro_step::bindings::wasi::http::outgoing_handler::handle;
use shiro_step::bindings::wasi::http::types::{Fields, OutgoingRequest, Scheme};
use shiro_step::bindings::wasi::io::poll::poll;
use shiro_step::{Failure, Permissions, Step};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// What it takes.
    what: What,
    /// The server that its requests go to.
    #[serde(default)]
    url: Option<String>,
}

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum What {
    /// Things to wait for.
    Pollables,
    /// Header fields of no request.
    Fields,
    /// Requests that are sent, and whose bodies and answers nobody looks at.
    Requests,
    /// Open files.
    Files,
    /// Places in one list of things to wait for.
    Polls,
}

struct Hoarder;

impl Step for Hoarder {
    const NAME: &'static str = "hoarder";
    const SUMMARY: &'static str = "Takes without end.";
    type Config = Config;
    type Output = ();

    fn permissions() -> Permissions {
        Permissions::default().network("{config.url}").read("data")
    }

    fn run(config: Config) -> Result<(), Failure> {
        match config.what {
            What::Pollables => loop {
                forget(subscribe_duration(u64::MAX));
            },
            What::Fields => loop {
                forget(Fields::new());
            },
            What::Requests => loop {
                request(config.url.as_deref().unwrap_or_default())?;
            },
            What::Files => files(),
            What::Polls => loop {
                let ready = subscribe_duration(0);
                poll(&vec![&ready; 4 << 20]);
            },
        }
    }
}

shiro_step::export!(Hoarder);

/// Sends a request with a body that fills what buffers there are.
fn request(url: &str) -> Result<(), Failure> {
    let failed = |what: &str| Failure::permanent("hoarder.request", what);
    let request = OutgoingRequest::new(Fields::new());
    let authority = url.trim_start_matches("http://");
    request.set_scheme(Some(&Scheme::Http)).map_err(|()| failed("the scheme"))?;
    request.set_authority(Some(authority)).map_err(|()| failed("the host"))?;
    request.set_path_with_query(Some("/")).map_err(|()| failed("the path"))?;
    let body = request.body().map_err(|()| failed("the body"))?;
    let stream = body.write().map_err(|()| failed("the stream"))?;
    forget(handle(request, None).map_err(|error| failed(&error.to_string()))?);
    while let Ok(room @ 1..) = stream.check_write() {
        // Whoever answers without reading closes it, and what was taken stays taken.
        if stream.write(&vec![b'x'; usize::try_from(room).unwrap_or(0)]).is_err() {
            break;
        }
    }
    forget(stream);
    forget(body);
    Ok(())
}

fn files() -> Result<(), Failure> {
    let directories = get_directories();
    let Some((directory, _)) = directories.first() else {
        return Err(Failure::permanent("hoarder.files", "there is no directory"));
    };
    loop {
        let file = directory.open_at(PathFlags::empty(), "in.txt", OpenFlags::empty(), DescriptorFlags::READ);
        forget(file.map_err(|error| Failure::permanent("hoarder.files", error.to_string()))?);
    }
}
