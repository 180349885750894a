//! What a provider's words for how somebody has signed in amount to.

/// What somebody can show of themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Factor {
    Knows,
    Has,
    Is,
}

/// Classes (`acr`) that are more than one factor wherever they are used: of REFEDS, and of OpenID's PAPE.
const CLASSES: [&str; 2] =
    ["https://refeds.org/profile/mfa", "http://schemas.openid.net/pape/policies/2007/06/multi-factor"];

/// A method (`amr`) by its name in the registry of RFC 8176. What says where or over which channel somebody was asked, and that
/// somebody was there at all, is none.
fn factor(method: &str) -> Option<Factor> {
    match method {
        "pwd" | "pin" | "kba" => Some(Factor::Knows),
        "otp" | "sms" | "tel" | "hwk" | "swk" | "pop" | "sc" => Some(Factor::Has),
        "face" | "fpt" | "iris" | "retina" | "vbm" => Some(Factor::Is),
        _ => None,
    }
}

/// Whether that is more than one factor: where the provider calls it so (`mfa`), or names methods of different kinds. Two
/// passwords are one factor.
pub fn is_multi_factor(acr: Option<&str>, amr: &[String]) -> bool {
    let mut factors = amr.iter().filter_map(|method| factor(method));
    let first = factors.next();
    acr.is_some_and(|acr| CLASSES.contains(&acr))
        || amr.iter().any(|method| method == "mfa")
        || first.is_some_and(|first| factors.any(|other| other != first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_one_factor_is_what_is_called_so_or_is_of_different_kinds() {
        for (amr, is_more) in [
            ("mfa", true),
            ("pwd mfa", true),
            ("pwd otp", true),
            ("otp pwd", true),
            ("hwk fpt", true),
            ("sc pin", true),
            ("mca geo pwd sms", true),
            ("", false),
            ("pwd", false),
            ("hwk", false),
            ("pwd pin kba", false),
            ("otp sms tel", false),
            ("pwd user mca geo rba wia", false),
            ("MFA", false),
            ("pwd,otp", false),
        ] {
            let methods: Vec<String> = amr.split(' ').map(str::to_owned).collect();
            assert_eq!(is_multi_factor(None, &methods), is_more, "{amr}");
        }
        for class in CLASSES {
            assert!(is_multi_factor(Some(class), &[]));
        }
        for class in
            ["", "0", "gold", "mfa", "https://refeds.org/profile/sfa", "https://refeds.org/profile/mfa/"]
        {
            assert!(!is_multi_factor(Some(class), &["pwd".to_owned()]), "{class}");
        }
    }
}
