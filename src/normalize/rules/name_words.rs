//! Words that stand with names, in lower case, without points.

/// They stand before a name.
pub const SALUTATIONS: &str = "mr mrs ms miss mx dr prof sir madam rev doctor professor \
    m mme mlle monsieur madame mademoiselle me docteur professeur \
    herr herrn hr frau fr familie fam eheleute drin profin univ-prof pd dipl dipl-ing ing mag maga \
    sr sra srta señor señora señorita doña dña dra lic arq \
    sig sigra signor signora signorina dott dottssa dottore dottoressa drssa profssa avv geom rag \
    eng dhr mevr mevrouw mw meneer ir drs";

/// Of these, those that are names, too, where they have no point: Eng Lim.
pub const POINTED: &str = "eng ir lic pd rag";

/// What degrees add to a title in front of it: Dr. rer. nat.
pub const ADDITIONS: &str = "med dent vet rer nat pol oec phil jur iur theol techn ing sc agr soc hc eh \
    mult habil univ (fh)";

/// They belong to the last name behind them.
pub const PARTICLES: &str = "van von vom zu zum zur und de du des da das do dos der den del della delle \
    degli dei dello di dal dalla dalle lo la le les los ter ten te 't 's op in aan bij y e bin ibn al el af \
    av d' mac mc saint sainte st ste san santa";

/// Particles that are first names, too: behind a title, with one word, they are one. Mr. Al Gore.
pub const FIRST_NAMES: &str = "al el san mac mc bin lo do e y van";

/// They stand behind a name.
pub const SUFFIXES: &str =
    "jr sr jnr snr ii iii iv phd md dds dvm mba msc bsc cpa cfa esq rn llm obe mbe cbe";

/// Suffixes that are last names or initials, too, behind a first name alone.
pub const KINDRED: &str = "v filho neto sobrinho júnior junior";
