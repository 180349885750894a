DROP TABLE elevations;
