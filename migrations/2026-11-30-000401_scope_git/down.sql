DROP TABLE scope_git_credentials;
