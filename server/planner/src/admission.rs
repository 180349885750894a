//! Whether an agent takes a workspace: an owner has to allow the agent for it, and the agent's configuration must not leave it out.

use berth_schema::AgentName;
use berth_schema::groups::GroupPath;
use berth_schema::projects::ProjectPath;

/// Whose workspaces an agent takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Takes {
    /// By its owners: those of the whole organisation,
    pub organization: bool,
    /// or those of the projects in these groups, at any depth.
    pub groups: Vec<GroupPath>,
    /// What is left of that by its configuration, by the paths of groups; empty: all of it. One that is no path is no group's.
    pub configured: Vec<String>,
}

/// Why an agent does not take a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// No owner has allowed it for that.
    NotAllowed,
    /// Its configuration leaves it out.
    LeftOut,
}

impl Takes {
    /// Whether a workspace may be made and started there that belongs to a project of that path, as it is now, or to none.
    ///
    /// # Errors
    /// Why not.
    pub fn admit(&self, project: Option<&ProjectPath>) -> Result<(), Refusal> {
        self.admit_in(project.and_then(ProjectPath::group).as_ref())
    }

    /// The same of one of a project in that group; `None`: of a project in none, or of no project.
    ///
    /// # Errors
    /// Why not.
    pub fn admit_in(&self, group: Option<&GroupPath>) -> Result<(), Refusal> {
        let is_within = |other: &GroupPath| group.is_some_and(|group| group.is_within(other));
        if !self.organization && !self.groups.iter().any(is_within) {
            return Err(Refusal::NotAllowed);
        }
        let is_named = |name: &String| name.parse().is_ok_and(|path| is_within(&path));
        if !self.configured.is_empty() && !self.configured.iter().any(is_named) {
            return Err(Refusal::LeftOut);
        }
        Ok(())
    }
}

impl Refusal {
    /// Why, with the agent's name.
    pub fn cause(self, agent: &AgentName, project: Option<&ProjectPath>) -> String {
        let of = project
            .map_or_else(|| "workspaces of no project".to_owned(), |project| format!("project '{project}'"));
        match self {
            Self::NotAllowed => format!("'{agent}' is not allowed for {of}"),
            Self::LeftOut => format!("'{agent}' leaves out {of} by its configuration ('allowed_groups')"),
        }
    }

    /// What to do so that it is taken, as a demand on whoever asks, who may do it themselves or not.
    pub fn remedy(self, agent: &AgentName, project: Option<&ProjectPath>, is_theirs: bool) -> String {
        let group = project.and_then(ProjectPath::group);
        let whom =
            group.map_or_else(|| "--whole-organization".to_owned(), |group| format!("--group {group}"));
        match self {
            Self::NotAllowed => {
                let who = if is_theirs { "allow it" } else { "have an owner allow it" };
                format!("{who} (`berth agents allow {agent} {whom}`)")
            }
            Self::LeftOut => {
                let who = if is_theirs { "change that" } else { "have whoever configures it change that" };
                format!("{who} (`berth agents configuration set {agent} -f FILE`)")
            }
        }
    }

    /// Both, for what is to be made: one of `others`, which take it, or another place may do.
    pub fn of_something_new(
        self,
        agent: &AgentName,
        project: Option<&ProjectPath>,
        (others, is_theirs): (&[AgentName], bool),
    ) -> String {
        let mut ways = Vec::new();
        if !others.is_empty() {
            ways.push(format!("choose another agent ({})", listed(others)));
        }
        if project.is_none() {
            ways.push("make it in a project of a group that the agent is for (`--project`)".to_owned());
        }
        ways.push(self.remedy(agent, project, is_theirs));
        format!("{}: {}", self.cause(agent, project), ways.join(", or "))
    }

    /// Both, for what is there.
    pub fn of_what_is_there(
        self,
        agent: &AgentName,
        project: Option<&ProjectPath>,
        is_theirs: bool,
    ) -> String {
        format!("{}: {}", self.cause(agent, project), self.remedy(agent, project, is_theirs))
    }
}

/// Some of those agents, for a sentence.
pub fn listed(agents: &[AgentName]) -> String {
    const MOST: usize = 5;
    let named = agents.iter().take(MOST).map(|agent| format!("'{agent}'")).collect::<Vec<_>>().join(", ");
    match agents.len().checked_sub(MOST) {
        None | Some(0) => named,
        Some(more) => format!("{named} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(organization: bool, groups: &[&str], configured: &[&str]) -> Takes {
        Takes {
            organization,
            groups: groups.iter().map(|path| path.parse().expect("a path")).collect(),
            configured: configured.iter().map(|&path| path.to_owned()).collect(),
        }
    }

    fn of(takes: &Takes, project: &str) -> Result<(), Refusal> {
        takes.admit(Some(&project.parse().expect("a path")))
    }

    #[test]
    fn an_agent_of_the_organisation_takes_everything() {
        let all = takes(true, &[], &[]);
        assert_eq!(all.admit(None), Ok(()));
        assert_eq!((of(&all, "api"), of(&all, "platform/payments/api")), (Ok(()), Ok(())));
        let both = takes(true, &["platform"], &[]);
        assert_eq!(of(&both, "other/api"), Ok(()), "what is allowed for groups takes nothing of it");
    }

    #[test]
    fn an_agent_of_groups_takes_what_is_in_them_at_any_depth_and_nothing_else() {
        let some = takes(false, &["platform/payments", "data"], &[]);
        for inside in ["platform/payments/api", "platform/payments/deep/er/api", "data/x"] {
            assert_eq!(of(&some, inside), Ok(()), "{inside}");
        }
        for outside in ["platform/api", "platform/payments-two/api", "api", "data", "x/data/api"] {
            assert_eq!(of(&some, outside), Err(Refusal::NotAllowed), "{outside}");
        }
        assert_eq!(some.admit(None), Err(Refusal::NotAllowed), "what is of no project is in no group");
        let nobody = takes(false, &[], &[]);
        assert_eq!(of(&nobody, "a/b"), Err(Refusal::NotAllowed));
    }

    #[test]
    fn a_configuration_leaves_less_and_never_more() {
        let narrowed = takes(true, &[], &["platform"]);
        assert_eq!(of(&narrowed, "platform/payments/api"), Ok(()));
        assert_eq!(of(&narrowed, "data/api"), Err(Refusal::LeftOut));
        assert_eq!(narrowed.admit(None), Err(Refusal::LeftOut));
        let both = takes(false, &["platform/payments"], &["platform", "data"]);
        assert_eq!(of(&both, "platform/payments/api"), Ok(()));
        assert_eq!(
            (of(&both, "platform/api"), of(&both, "data/api")),
            (Err(Refusal::NotAllowed), Err(Refusal::NotAllowed))
        );
        // A version before took any name: it is no group's, and opens nothing.
        assert_eq!(of(&takes(true, &[], &["Developers"]), "platform/api"), Err(Refusal::LeftOut));
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let agent: AgentName = "berlin".parse().expect("a name");
        let (deep, flat): (ProjectPath, ProjectPath) =
            ("a/b/api".parse().expect("a path"), "api".parse().expect("a path"));
        let remedy = |refusal: Refusal, project| refusal.remedy(&agent, project, false);
        assert!(remedy(Refusal::NotAllowed, Some(&deep)).contains("`berth agents allow berlin --group a/b`"));
        assert!(
            remedy(Refusal::NotAllowed, Some(&flat))
                .contains("`berth agents allow berlin --whole-organization`")
        );
        assert!(
            remedy(Refusal::NotAllowed, None).contains("`berth agents allow berlin --whole-organization`")
        );
        assert!(remedy(Refusal::LeftOut, Some(&deep)).contains("configuration set berlin"));
        let new = Refusal::NotAllowed.of_something_new(&agent, None, (&[], false));
        assert!(
            new.starts_with("'berlin' is not allowed for workspaces of no project: ")
                && new.contains("--project"),
            "{new}"
        );
        let there = Refusal::LeftOut.of_what_is_there(&agent, Some(&deep), false);
        assert!(there.starts_with("'berlin' leaves out project 'a/b/api' by its configuration"), "{there}");
        assert!(!there.contains("another agent"), "it stays where its volume is: {there}");
    }

    #[test]
    fn another_agent_is_named_where_there_is_one_and_nobody_is_sent_to_themselves() {
        let names = |count: usize| {
            (0..count).map(|n| format!("agent-{n}").parse().expect("a name")).collect::<Vec<AgentName>>()
        };
        let (agent, project) = ("berlin".parse().expect("a name"), "a/api".parse().expect("a path"));
        let told = |others: usize, is_theirs| {
            Refusal::NotAllowed.of_something_new(&agent, Some(&project), (&names(others), is_theirs))
        };
        assert!(!told(0, false).contains("another agent"), "{}", told(0, false));
        assert!(told(2, false).contains("choose another agent ('agent-0', 'agent-1')"), "{}", told(2, false));
        assert!(told(7, false).contains("'agent-4' and 2 more)"), "{}", told(7, false));
        assert!(told(0, false).contains(": have an owner allow it (`"), "{}", told(0, false));
        assert!(told(0, true).contains(": allow it (`"), "{}", told(0, true));
        let left_out = Refusal::LeftOut.of_what_is_there(&agent, Some(&project), true);
        assert!(left_out.contains(": change that (`"), "{left_out}");
    }
}
