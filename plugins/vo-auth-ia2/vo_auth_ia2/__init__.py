"""IA2, the archives of INAF, for vo_auth."""
