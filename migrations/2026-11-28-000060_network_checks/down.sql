DROP TABLE network_checks;
