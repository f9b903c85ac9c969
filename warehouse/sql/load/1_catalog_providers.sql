-- The catalog's providers are known from now on. In: catalog_providers. Out: more of seen_provider.

INSERT INTO seen_provider SELECT provider FROM catalog_providers EXCEPT SELECT provider FROM seen_provider;
