//! The step type `http`: sends a request, and takes the answers that are expected.

mod answer;
mod config;

use shiro_step::{Failure, Permissions, Step};

use answer::{Answer, Output};
use config::Config;

struct Http;

impl Step for Http {
    const NAME: &'static str = "http";
    const SUMMARY: &'static str = "Sends an HTTP request, and fails unless the answer is as expected.";
    type Config = Config;
    type Output = Output;

    fn permissions() -> Permissions {
        Permissions::default().network("{config.url}")
    }

    fn run(config: Config) -> Result<Output, Failure> {
        config.ask.check()?;
        let answer = Answer::take(&config, config.ask.first(&config.limits())?.send()?)?;
        match config.paginate {
            true => answer::collect(&config, answer),
            false => Ok(answer.into_output()),
        }
    }
}

shiro_step::export!(Http);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn asks_for_the_host_of_its_url_only() {
        let permissions = serde_json::to_value(Http::permissions()).unwrap();
        assert_eq!(permissions, json!({ "network": [{ "url": "{config.url}" }] }));
    }
}
