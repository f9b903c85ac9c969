-- Add the providers of the catalog. In: catalog_providers. Out: more rows in named_provider.

INSERT INTO named_provider SELECT provider FROM catalog_providers EXCEPT SELECT provider FROM named_provider;
