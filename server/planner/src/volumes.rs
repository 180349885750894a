//! What a cluster lets volumes do.

use berth_schema::prerequisites::StorageClass;

/// The name of a storage class that lets no volume grow, when the cluster has told so. `named`: the class of the volume, or
/// else the cluster's default. `classes`: those that the cluster has; what is not among them decides when it is asked.
pub fn fixed_class<'a>(named: Option<&str>, classes: &'a [StorageClass]) -> Option<&'a str> {
    let of = |class: &&StorageClass| named.map_or(class.default, |named| class.name == named);
    let candidates = || classes.iter().filter(of);
    let fixed = candidates().all(|class| !class.expandable);
    candidates().next().filter(|_| fixed).map(|class| class.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(name: &str, default: bool, expandable: bool) -> StorageClass {
        StorageClass { name: name.into(), default, expandable }
    }

    #[test]
    fn a_class_is_fixed_when_the_cluster_has_said_so() {
        let classes = [class("standard", true, false), class("fast", false, true)];
        assert_eq!(fixed_class(None, &classes), Some("standard"));
        assert_eq!(fixed_class(Some("standard"), &classes), Some("standard"));
        assert_eq!(fixed_class(Some("fast"), &classes), None);
        assert_eq!(fixed_class(Some("unheard-of"), &classes), None);
        assert_eq!(fixed_class(None, &[]), None, "nothing was told yet");
    }

    #[test]
    fn of_two_default_classes_nobody_knows_which_it_was() {
        let classes = [class("standard", true, false), class("fast", true, true)];
        assert_eq!(fixed_class(None, &classes), None);
    }
}
