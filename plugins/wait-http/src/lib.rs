//! The step type `wait.http`: asks an endpoint again and again until it answers as expected.

mod answer;
mod config;
mod patience;

use shiro_step::{Failure, Permissions, Step};

use answer::{Output, Verdict};
use config::Config;
use patience::Patience;

struct WaitHttp;

impl Step for WaitHttp {
    const NAME: &'static str = "wait.http";
    const SUMMARY: &'static str = "Asks an endpoint until it answers as expected.";
    type Config = Config;
    type Output = Output;

    fn permissions() -> Permissions {
        Permissions::default().network("{config.url}")
    }

    fn run(config: Config) -> Result<Output, Failure> {
        config.check()?;
        let mut patience = Patience::new(&config);
        loop {
            let request = config.ask.first(&config.limits(patience.left()))?;
            let verdict = answer::judge(&config, request.send())?;
            let (why, seen, wait) = match verdict {
                Verdict::Ready(seen) => return Ok(seen.output(patience.tried())),
                Verdict::NotYet { why, seen, wait } => (why, seen, wait),
            };
            patience.note(&why);
            if !patience.sleep(wait) {
                return Err(patience.exhausted(&why, seen));
            }
        }
    }
}

shiro_step::export!(WaitHttp);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn asks_for_the_host_of_its_url_only() {
        let permissions = serde_json::to_value(WaitHttp::permissions()).unwrap();
        assert_eq!(permissions, json!({ "network": [{ "url": "{config.url}" }] }));
    }
}
