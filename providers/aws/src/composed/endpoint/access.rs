//! What the role of an endpoint may do: read its model, fetch its image, write its log and its figures.

use trueup_engine::compose::Wanted;
use trueup_state::Value;

use crate::composed::grants;
use crate::composed::policy::{self, allow, only_if};
use crate::settings::{Settings, partition};
use trueup_parts::changed;
use trueup_parts::{field, is_said, map};

/// Fetching an image asks for these, of its repository.
const PULL: [&str; 3] = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"];
/// Writing a log.
const LOG: [&str; 4] = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"];
/// Being in a network: <https://docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html>. None can be said of a thing that is not made yet.
const NETWORK: [&str; 8] = [
    "ec2:CreateNetworkInterface",
    "ec2:CreateNetworkInterfacePermission",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
];

/// The document.
pub(super) fn document(wanted: &Wanted<'_>) -> Value {
    let region = Settings::of(wanted.scope).region.unwrap_or_default();
    let partition = partition(&region);
    let repository = changed(field(wanted, "image"), |image| {
        image_of(image).map_or_else(String::new, |of| {
            format!("arn:{partition}:ecr:{}:{}:repository/{}", of.region, of.account, of.repository)
        })
    });
    let logs: Value = format!("arn:{partition}:logs:{region}:*:log-group:/aws/sagemaker/Endpoints/*").into();
    let figures = map([("StringEquals", map([("cloudwatch:namespace", "/aws/sagemaker/Endpoints".into())]))]);
    let mut statements = vec![
        allow(&PULL, vec![repository]),
        allow(&["ecr:GetAuthorizationToken"], vec!["*".into()]),
        allow(&LOG, vec![logs]),
        only_if(allow(&["cloudwatch:PutMetricData"], vec!["*".into()]), figures),
    ];
    let model = field(wanted, "model");
    if is_said(model) {
        // Of what is packed, the way to it.
        let place = changed(model, |uri| {
            let uri = uri.trim_end_matches('/');
            let packed = super::refused::is_packed(uri).then(|| uri.rsplit_once('/')).flatten();
            packed.map_or(uri, |(way, _)| way).to_owned()
        });
        statements.extend(grants::on_files(wanted, "read", &place));
    }
    if is_said(field(wanted, "options.aws.subnets")) {
        statements.push(allow(&NETWORK, vec!["*".into()]));
    }
    policy::document(Value::List(statements))
}

/// The words of an image's name at ECR.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Image<'a> {
    account: &'a str,
    region: &'a str,
    repository: &'a str,
}

/// What the name of an image at ECR says: `ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME:TAG@DIGEST`; none of one that is elsewhere.
pub(super) fn image_of(image: &str) -> Option<Image<'_>> {
    let (host, path) = image.split_once('/')?;
    let (account, rest) = host.split_once(".dkr.ecr.")?;
    let (region, domain) = rest.split_once('.')?;
    let path = path.split('@').next()?;
    let repository = path.rsplit_once(':').map_or(path, |(name, _)| name);
    let is_whole = domain.starts_with("amazonaws.com") && account.len() == 12 && !repository.is_empty();
    is_whole.then_some(Image { account, region, repository })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_image_says_where_it_is() {
        let digest = "@sha256:0123";
        for end in ["", ":v1", digest, ":v1@sha256:0123"] {
            let image = format!("123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/chat{end}");
            let of = image_of(&image).unwrap();
            assert_eq!((of.account, of.region, of.repository), ("123456789012", "eu-west-1", "team/chat"));
        }
        for elsewhere in ["docker.io/library/nginx", "chat", "1.dkr.ecr.eu-west-1.amazonaws.com/x", "ghcr.io/a/b:1"] {
            assert_eq!(image_of(elsewhere), None, "{elsewhere}");
        }
    }
}
